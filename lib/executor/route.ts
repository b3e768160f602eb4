import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { DistributedTable, Shard } from '../catalog/catalog.ts'
import { hashKey, type KeyValue } from '../catalog/key-value.ts'
import { shardOfHash } from '../catalog/shard-map.ts'
import type { InsertRowsPlan, KeySource, Pin } from '../planner/plan.ts'

/**
 * The value a key source has in the execution at hand. undefined: NULL, which matches no row. `column` is the
 * distribution column it is compared with or stored in.
 */
export interface KeyReader {
  read(source: KeySource): KeyValue | undefined
}

/**
 * Where a statement goes: the index of the only shard it touches, or MANY, or NONE (no row can match, so any
 * one shard gives the right answer). A number, so that routing allocates nothing.
 */
export type Route = number
export const MANY: Route = -1
export const NONE: Route = -2

/** Every occurrence of a distributed table must be pinned to one and the same shard. */
export function resolvePins(pins: readonly Pin[], keys: KeyReader): Route {
  let route: Route = NONE
  for (const pin of pins) {
    const own = routeOfPin(pin, keys)
    if (own === MANY) return MANY
    if (own === NONE && pin.rejectsNull === true) throw nullKey(pin.table)
    if (own === NONE) continue
    if (route !== NONE && route !== own) return MANY
    route = own
  }
  return route
}

function routeOfPin({ table, values }: Pin, keys: KeyReader): Route {
  if (values === undefined) return table.shards.length === 1 ? 0 : MANY
  let route: Route = NONE
  for (const source of values) {
    const own = routeOfKey(table, source, keys)
    if (own === MANY) return MANY
    if (own === NONE) continue
    if (route !== NONE && route !== own) return MANY
    route = own
  }
  return route
}

/** MANY: we can't be sure what the value becomes in the column's type. NONE: it is NULL. */
export function routeOfKey(table: DistributedTable, source: KeySource, keys: KeyReader): Route {
  const value = keys.read(source)
  if (value === undefined) return NONE
  const hash = hashKey(table.distributionColumn, value)
  return hash === undefined ? MANY : shardOfHash(table, hash).index
}

/**
 * For INSERT … VALUES: as resolvePins, but a row whose key is NULL is an error, since it has no shard: 22004. MANY also
 * means that a key is not known to us, see shardOfRow.
 */
export function resolveInsert(
  { table, rows, routed }: Pick<InsertRowsPlan, 'table' | 'rows' | 'routed'>,
  keys: KeyReader,
): Route {
  for (const { key } of rows) {
    if (keys.read(key) === undefined) throw nullKey(table)
  }
  return resolvePins(routed.pins, keys)
}

/** undefined: only Postgres can say. Throws 22004 for NULL. */
export function shardOfRow(
  table: DistributedTable,
  key: KeySource,
  keys: KeyReader,
): Shard | undefined {
  const route = routeOfKey(table, key, keys)
  if (route === NONE) throw nullKey(table)
  return table.shards[route]
}

export function nullKey(table: DistributedTable): RouterError {
  return new RouterError(
    SqlState.nullValueNotAllowed,
    'cannot perform an INSERT with NULL in the partition column',
    {
      detail: `column "${table.distributionColumn.name}" of table "${table.name}" decides where a row lives`,
    },
  )
}

/**
 * The shards that all pins allow together; those of the group if nothing restricts them. At least one, since a
 * statement without matching rows still has an answer (count(*) is 0, a result has columns).
 */
export function allowedShards(
  table: DistributedTable,
  pins: readonly Pin[],
  keys: KeyReader,
): readonly Shard[] {
  let allowed: ReadonlySet<number> | undefined
  for (const pin of pins) {
    const own = indexesOfPin(pin, keys)
    if (own === undefined) continue
    allowed = allowed === undefined ? own : new Set([...allowed].filter((index) => own.has(index)))
  }
  if (allowed === undefined) return table.shards
  const shards = table.shards.filter(({ index }) => allowed.has(index))
  return shards.length === 0 ? table.shards.slice(0, 1) : shards
}

function indexesOfPin({ table, values }: Pin, keys: KeyReader): Set<number> | undefined {
  if (values === undefined) return undefined
  const indexes = new Set<number>()
  for (const source of values) {
    const route = routeOfKey(table, source, keys)
    if (route === MANY) return undefined
    if (route !== NONE) indexes.add(route)
  }
  return indexes
}
