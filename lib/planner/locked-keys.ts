import type { ClusterTable } from '../catalog/catalog.ts'
import { comparedType } from '../catalog/key-value.ts'
import { TypeOid } from '../catalog/type-oid.ts'
import { keptRelations } from './kept-relations.ts'
import type { Block, Relation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { SYSTEM_COLUMNS } from './statement-checks.ts'
import type { Tree } from './tree.ts'

/** `FOR UPDATE OF …`; without names it locks all tables of FROM. */
export type LockingClause = {
  readonly lockedRels?: readonly Tree[]
  readonly strength?: string
  readonly waitPolicy?: string
}

/** A table of FROM whose rows are known by their primary keys, or by where they lie in their shard. */
export type KeyedTable = {
  readonly relation: Relation
  readonly table: ClusterTable
  /** As the statement may name them. */
  readonly keys: readonly Tree[]
  readonly types: readonly string[]
  /** The first of the keys is the ctid, which names a version of a row; the second tells it from one that took its place. */
  readonly isPlaced: boolean
}

/** Values of these types don't come back from their texts as the same values under every setting. */
const INEXACT_TYPES: ReadonlySet<number> = new Set([
  TypeOid.float4,
  TypeOid.float8,
  TypeOid.timestamptz,
  TypeOid.timetz,
  TypeOid.interval,
])

/**
 * What tells the rows of the join apart as far as they are to be locked. Of those that outer joins may fill with nulls Postgres locks
 * none: it says so itself when it is asked to.
 */
export function keyedTables(block: Block, lockedRows: readonly Relation[]): readonly KeyedTable[] {
  if (lockedRows.some((relation) => !block.relations.includes(relation))) refuse('row-locks-limit')
  const kept = keptRelations(block, false)
  return block.relations.flatMap((relation): readonly KeyedTable[] => {
    if (relation.table === undefined || !kept.has(relation.id)) return []
    const keyed = byKey(relation)
    if (keyed !== undefined) return [keyed]
    return lockedRows.includes(relation) ? [byPlace(relation)] : []
  })
}

export function byKey(relation: Relation): KeyedTable | undefined {
  const { table, alias } = relation
  if (table === undefined || alias === undefined) return undefined
  const indexes = table.primaryKey.map((name) =>
    table.columns.findIndex((column) => column.name === name),
  )
  const columns = indexes.map((index) => table.columns[index])
  const names = indexes.map((index) => relation.columns?.[index] ?? '')
  const isExact = columns.every((column) => !INEXACT_TYPES.has(comparedType(column) ?? 0))
  if (names.length === 0 || names.includes('') || !isExact) return undefined
  return {
    relation,
    table,
    keys: names.map((name) => column(alias, name)),
    types: columns.map((one) => one?.typeName ?? ''),
    isPlaced: false,
  }
}

export function byPlace(relation: Relation): KeyedTable {
  const { table, alias } = relation
  // copies of reference tables lie elsewhere on each node
  if (table?.kind !== 'distributed' || alias === undefined) return refuse('row-locks-limit')
  // columns that the statement gives these names would hide them
  if (relation.columns?.some((name) => SYSTEM_COLUMNS.has(name)) !== false) {
    return refuse('row-locks-limit')
  }
  const version = { TypeCast: { arg: column(alias, 'xmin'), typeName: TEXT } }
  const keys = [column(alias, 'ctid'), version]
  return { relation, table, keys, types: ['tid', 'text'], isPlaced: true }
}

const TEXT = { names: [{ String: { sval: 'text' } }], typemod: -1 }

function column(alias: string, name: string): Tree {
  return { ColumnRef: { fields: [alias, name].map((sval) => ({ String: { sval } })) } }
}

const STRENGTHS: Readonly<Record<string, string>> = {
  LCS_FORKEYSHARE: 'KEY SHARE',
  LCS_FORSHARE: 'SHARE',
  LCS_FORNOKEYUPDATE: 'NO KEY UPDATE',
  LCS_FORUPDATE: 'UPDATE',
}
const POLICIES: Readonly<Record<string, string>> = {
  LockWaitSkip: ' SKIP LOCKED',
  LockWaitError: ' NOWAIT',
}

/** Locks the table's rows whose keys are in the arrays that are its parameters, and gives the keys of those that it got. */
export function lockText({ table, types }: KeyedTable, clauses: readonly LockingClause[]): string {
  const columns = table.primaryKey.map(quoteIdentifier).join(', ')
  const arrays = types.map((type, index) => `pg_catalog.unnest($${index + 1}::${type}[])`)
  const locks = clauses.map(({ strength = '', waitPolicy = '' }) => {
    const known = STRENGTHS[strength] ?? refuse('reference-locks')
    return `FOR ${known}${POLICIES[waitPolicy] ?? ''}`
  })
  const name = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const wanted = `SELECT * FROM ROWS FROM (${arrays.join(', ')}) pgloom_wanted`
  return `SELECT ${columns} FROM ${name} WHERE (${columns}) IN (${wanted}) ORDER BY ${columns} ${locks.join(' ')}`
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
