import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { DistributedTable, ReferenceTable, Shard } from '../../catalog/catalog.ts'
import type { WorkerQuery } from '../../planner/plan.ts'
import { UPSERT_ROWS, type Upsert } from '../../planner/write/write-plans.ts'
import { pickParameters } from '../bound-parameters.ts'
import { query } from '../node-client.ts'
import { parametersFor } from '../parameter-types.ts'
import type { CommandTag, Execution, Parameters, StatementContext } from '../ports.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { ConcatenatedRows } from '../scatter/concatenated-rows.ts'
import { relayedRows, waitFor } from '../scatter/relayed-rows.ts'
import { scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import type { AnswerReader } from '../server-answer.ts'
import { textForShard } from '../shard-text.ts'
import { sendStatements } from '../statement-request.ts'
import { copiedColumns, refuseNullKeys, shardName } from './distribute-rows.ts'
import { shardIndex } from './mirror/changes.ts'
import { SHARD_COLUMN } from './mirror/identity.ts'
import { shipRows } from './mirror/node-rows.ts'
import { withReferenceWrites } from './reference-guard.ts'
import type { ScratchTable } from './scratch-table.ts'

export type UpsertRun = {
  readonly upsert: Upsert
  readonly scratch: ScratchTable
  readonly coordinator: BackendConnection
  readonly execution: Execution
  readonly context: StatementContext
}

/** Evaluated rows go to the nodes, where each shard inserts its own by the client's ON CONFLICT clause. */
export async function upsertIntoShards(
  run: UpsertRun,
  table: DistributedTable,
): Promise<CommandTag> {
  const { upsert, scratch, coordinator, execution, context } = run
  const { signal } = context
  const from = scratch.qualifiedName
  await refuseNullKeys({ source: coordinator, from, table, signal })
  const shards = await shardsWithRows(run, table)
  const rowsOn = new Map([[coordinator.node.nodeId, from]])
  const placeOn = (nodeId: number) =>
    nodeId === coordinator.node.nodeId ? shardIndex(table) : SHARD_COLUMN
  for (const shard of shards) {
    if (rowsOn.has(shard.nodeId)) continue
    const target = await context.connection(shard.nodeId, 'write')
    rowsOn.set(shard.nodeId, await shipTo(run, table, target, shards))
  }
  const textFor = (shard: Shard) => {
    const text = textForShard(upsert.insert.worker, shard).toString()
    const own = `FROM ${rowsOn.get(shard.nodeId)} WHERE ${placeOn(shard.nodeId)} = ${shard.index}`
    return withRows(text, own)
  }
  const flow = new ScatterFlow()
  const rows = new ConcatenatedRows(context, flow, execution.sendsRowDescription)
  const parameters = await parametersOf(upsert.insert, execution, context)
  const { resultFormats } = execution
  const request = {
    shards,
    textFor,
    parameters,
    resultFormats,
    maxRows: 0,
    access: 'write' as const,
  }
  await scatter(request, context, flow, rows.readerFor)
  rowsOn.delete(coordinator.node.nodeId)
  for (const [nodeId, name] of rowsOn) {
    await query(await context.connection(nodeId, 'write'), `DROP TABLE ${name}`)
  }
  return rows.summedTag
}

/** At least one: no rows have an answer too. */
async function shardsWithRows(
  { coordinator, scratch }: UpsertRun,
  table: DistributedTable,
): Promise<readonly Shard[]> {
  const { rows } = await query(
    coordinator,
    `SELECT DISTINCT ${shardIndex(table)} FROM ${scratch.qualifiedName}`,
  )
  const indexes = new Set(rows.map(([index]) => Number(index)))
  const shards = table.shards.filter(({ index }) => indexes.has(index))
  return shards.length === 0 ? table.shards.slice(0, 1) : shards
}

/** With the shards' indexes: on that node an enum's values may hash otherwise. */
function shipTo(
  { coordinator, scratch, context }: UpsertRun,
  table: DistributedTable,
  target: BackendConnection,
  shards: readonly Shard[],
): Promise<string> {
  const own = shards.filter(({ nodeId }) => nodeId === target.node.nodeId)
  const indexes = own.map(({ index }) => index).join(', ')
  const [some] = own
  if (some === undefined) throw new Error('a node without shards needs no rows')
  const columns = copiedColumns(table)
  const placed = `SELECT ${columns}, ${shardIndex(table)} AS ${SHARD_COLUMN} FROM ${scratch.qualifiedName} ORDER BY ctid`
  const from = `(${placed}) AS placed WHERE ${SHARD_COLUMN} IN (${indexes})`
  const shape = `SELECT NULL::pg_catalog.int4 AS ${SHARD_COLUMN}, ${columns} FROM ${shardName(table, some)}`
  const shipped = `${SHARD_COLUMN}, ${columns}`
  return shipRows({ coordinator, columns: shipped, from, shape }, target, context)
}

/** The rows in the order in which they were made, where the text has their place. */
function withRows(text: string, from: string): Buffer {
  return Buffer.from(
    text.replace(UPSERT_ROWS, () => `(SELECT * ${from} ORDER BY ctid) AS ${UPSERT_ROWS}`),
  )
}

async function parametersOf(
  { parameters, usesTransactionTime }: WorkerQuery,
  execution: Execution,
  context: StatementContext,
): Promise<Parameters> {
  const extra = usesTransactionTime ? [await context.transactionTime()] : []
  return pickParameters(execution.parameters, parameters, extra)
}

/** The same rows by the same clause on every node, the coordinator first; its answer is the client's. */
export async function upsertIntoCopies(run: UpsertRun, table: ReferenceTable): Promise<CommandTag> {
  const { upsert, scratch, coordinator, context } = run
  const tag = await upsertOn(run, upsert.insert, coordinator, scratch.qualifiedName, true)
  const columns = copiedColumns(table)
  const shape = `SELECT ${columns} FROM ${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const from = `${scratch.qualifiedName} ORDER BY ctid`
  for (const { nodeId } of context.catalog.nodes) {
    if (nodeId === coordinator.node.nodeId) continue
    const target = await context.connection(nodeId, 'write')
    const name = await shipRows({ coordinator, columns, from, shape }, target, context)
    const own = await upsertOn(run, upsert.silent, target, name, false)
    if (own !== tag) throw copiesDiffer(table, tag, own)
    await query(target, `DROP TABLE ${name}`)
  }
  return tag
}

async function upsertOn(
  { execution, context }: UpsertRun,
  insert: WorkerQuery,
  connection: BackendConnection,
  rows: string,
  answersClient: boolean,
): Promise<CommandTag> {
  const text = withRows(insert.worker.pieces.map(String).join(''), `FROM ${rows}`)
  const own = { parameters: await parametersOf(insert, execution, context) }
  const parameters = parametersFor(connection, own, context)
  const { resultFormats, sendsRowDescription } = execution
  const statement = { text, parameters, resultFormats, describes: answersClient, maxRows: 0 }
  const mending = { positions: 'drop' as const }
  const reader: AnswerReader = answersClient
    ? relayedRows(connection, context, sendsRowDescription, mending)
    : {}
  return withReferenceWrites(
    connection,
    async () => {
      const answer = sendStatements(connection, [statement], reader, mending)
      await waitFor(answer, connection, context.signal)
      return answer.tag
    },
    context.catalog.nodes.length,
  )
}

function copiesDiffer({ name }: ReferenceTable, expected: string, actual: string): RouterError {
  return new RouterError(
    SqlState.internalError,
    `the copies of reference table "${name}" differ: ${expected} on the coordinator, ${actual} on another node`,
    { hint: 'Nothing was changed. Compare the copies of the table on the nodes.' },
  )
}
