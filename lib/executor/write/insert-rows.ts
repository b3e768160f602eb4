import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Shard } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { InsertRowsPlan, TextRange } from '../../planner/plan.ts'
import { withInferredTypes } from '../parameter-types.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { type KeyReader, MANY, routeOfKey, shardOfRow } from '../route.ts'
import { ConcatenatedRows } from '../scatter/concatenated-rows.ts'
import { OrderedRows } from '../scatter/ordered-rows.ts'
import { type ScatterRequest, scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import { ShardStatement } from '../shard-statement.ts'

const COMMA = Buffer.from(', ')

/** INSERT … VALUES whose rows belong to several shards: each gets the same statement with its own rows. */
export function runInsertRows(
  plan: InsertRowsPlan,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  const rowsOf = rowsByShard(plan, keys)
  return context.atomically(async () => {
    const request = await insertRequest(plan, rowsOf, execution, context)
    const flow = new ScatterFlow()
    const concatenated = new ConcatenatedRows(context, flow, execution.sendsRowDescription)
    if (!plan.hasReturning) {
      await scatter(request, context, flow, concatenated.readerFor)
      return concatenated.summedTag
    }
    const ordered = new OrderedRows(concatenated, rowsOf)
    await scatter(request, context, flow, ordered.readerFor)
    ordered.finish(context.client)
    return concatenated.summedTag
  })
}

export type RowsOfShards = ReadonlyMap<Shard, readonly number[]>

/** `start`: where the INSERT begins in the text. */
export async function insertRequest(
  plan: InsertRowsPlan,
  rowsOf: RowsOfShards,
  { text, parameters, resultFormats }: Execution,
  context: StatementContext,
  start = 0,
): Promise<ScatterRequest> {
  const statement = new ShardStatement(text, plan.routed.splices)
  const { nodeId } = coordinatorOf(context.catalog)
  const needsTypes = parameters.values.length > 0
  return {
    shards: [...rowsOf.keys()],
    textFor: (shard) =>
      textOf(plan, statement, shard, rowsOf.get(shard) ?? [], { start, end: text.length }),
    parameters: needsTypes
      ? await withInferredTypes(await context.connection(nodeId, 'read'), text, parameters)
      : parameters,
    resultFormats,
    maxRows: 0,
    access: 'write',
  }
}

/** Positions of the rows in VALUES, for each shard that has any. Throws for a key that we can't place. */
export function rowsByShard(plan: InsertRowsPlan, keys: KeyReader): Map<Shard, number[]> {
  const rowsOf = new Map<Shard, number[]>()
  for (const [position, { key }] of plan.rows.entries()) {
    const shard = shardOfRow(plan.table, key, keys)
    if (shard === undefined) throw unknownKey(plan)
    const rows = rowsOf.get(shard)
    if (rows === undefined) rowsOf.set(shard, [position])
    else rows.push(position)
  }
  return rowsOf
}

/** Only Postgres can say what a key becomes in the column's type. */
export function hasUnknownKey({ table, rows }: InsertRowsPlan, keys: KeyReader): boolean {
  return rows.some(({ key }) => routeOfKey(table, key, keys) === MANY)
}

export function unknownKey({ table }: Pick<InsertRowsPlan, 'table'>): RouterError {
  const { name, typeName } = table.distributionColumn
  return new RouterError(
    SqlState.featureNotSupported,
    `cannot tell which shard a row belongs to from this value of column "${name}"`,
    { hint: `Give a value of the column's own type, ${typeName}.` },
  )
}

function textOf(
  { rows }: InsertRowsPlan,
  statement: ShardStatement,
  shard: Shard,
  positions: readonly number[],
  { start, end }: TextRange,
): Buffer {
  const first = rows[0]?.range.start ?? 0
  const last = rows.at(-1)?.range.end ?? 0
  const parts = [statement.partFor(shard, { start, end: first })]
  for (const [index, position] of positions.entries()) {
    const row = rows[position]
    if (row === undefined) continue
    if (index > 0) parts.push(COMMA)
    parts.push(statement.partFor(shard, row.range))
  }
  parts.push(statement.partFor(shard, { start: last, end }))
  return Buffer.concat(parts)
}
