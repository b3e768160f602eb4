import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { type Catalog, oidKey, type Shard } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { PulledPlan, PulledRows, Replacement } from '../../planner/plan.ts'
import { keysOf } from '../execution-keys.ts'
import { query } from '../node-client.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { PositionMap } from '../relay/position-map.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import { replacedText } from '../relay/relay-on.ts'
import { allowedShards, type KeyReader } from '../route.ts'
import { notInOneStep } from '../scatter/one-moment.ts'
import { relayedRows, waitFor } from '../scatter/relayed-rows.ts'
import { type ScatterRequest, scatter } from '../scatter/scatter.ts'
import { ScatterFlow } from '../scatter/scatter-flow.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { sendStatements } from '../statement-request.ts'
import type { JoinSettings } from './join-costs.ts'
import { createPartTable } from './pulled-part.ts'
import {
  addPrimaryKey,
  type ByteAllowance,
  createPulledTable,
  type PulledTable,
  PulledTableFilling,
  takeBytes,
} from './pulled-table.ts'
import { ReducedPulls } from './reduced-pulls.ts'

const BINARY = [1]
/** Fewer rows are planned well enough without statistics. */
export const ANALYZED_ROWS = 1000
const ANALYZED_BYTES = 65_536
/** From as many tables on, a wrong guess at the rows of a small one may cost minutes. */
const MANY_TABLES = 4
const JOINS = ['citus.broadcast_joins', 'citus.repartition_joins']
const RESULT_SIZE = 'citus.max_intermediate_result_size'
const DEFAULT_RESULT_KILOBYTES = 1_048_576

export type PulledRun = {
  readonly execution: Execution
  readonly context: StatementContext
  /** The statement is a DECLARE: the tables live as long as its cursor, that is, as the transaction. */
  readonly declaresCursor: boolean
  /** Only the tables are wanted, for EXPLAIN to look at: no row is brought. */
  readonly isEmpty?: boolean
  /** The tables that are there already. */
  readonly filled?: (rows: PulledRows) => PulledTable | undefined
}

/** What is done with the tables once they are filled, on the connection whose they are. */
export type UsePulled<T> = (
  tables: readonly PulledTable[],
  connection: BackendConnection,
) => Promise<T>

/**
 * Copies the rows that the statement may need of distributed tables into temporary tables of the transaction, and runs
 * the statement there. What the transaction wrote is seen, since its own connections are read.
 */
export function runPulled(plan: PulledPlan, run: PulledRun): Promise<CommandTag> {
  return overPulled(plan, run, (tables, connection) => runOver(plan, tables, connection, run))
}

export function overPulled<T>(plan: PulledPlan, run: PulledRun, use: UsePulled<T>): Promise<T> {
  const { context, declaresCursor } = run
  if (context.moment !== undefined) throw notInOneStep()
  const isInTransaction = context.isInTransaction
  return context.atomically(async () => {
    if (!isInTransaction && plan.local.isReadOnly) await freeze(plan, run)
    const access = plan.local.isReadOnly ? 'read' : 'write'
    const { nodeId } = coordinatorOf(context.catalog)
    const connection = await context.connection(nodeId, access)
    const { snapshot, allowance } = await readSettings(connection)
    if (snapshot !== undefined) return runBeside(plan, snapshot, allowance, run, use)
    const tables = await pull(plan, connection, allowance, run)
    context.watch(connection, plan.local)
    const result = await use(tables, connection)
    if (isInTransaction && !declaresCursor) await dropPulled(tables, connection)
    return result
  })
}

/** Each node is asked several times: it must answer as of one moment. Before any query there. */
export async function freeze(plan: PulledPlan, run: PulledRun): Promise<void> {
  const { context } = run
  const { nodeId } = coordinatorOf(context.catalog)
  const connections = await readers([...nodesOf(plan, run), nodeId], context)
  await Promise.all(
    connections.map((connection) =>
      query(connection, 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ'),
    ),
  )
}

/** The nodes whose shards the statement may read. */
export function nodesOf(
  { pulls, parts }: PulledPlan,
  { execution }: Pick<PulledRun, 'execution'>,
): readonly number[] {
  const keys = keysOf(execution.text, execution.parameters)
  return [...pulls, ...parts.map(({ scatter }) => scatter)].flatMap(({ table, pins }) =>
    allowedShards(table, pins, keys).map(({ nodeId }) => nodeId),
  )
}

/** One after the other, by number: two sessions that wait for full pools can't wait for each other. */
export async function readers(
  nodeIds: readonly number[],
  context: StatementContext,
): Promise<readonly BackendConnection[]> {
  const connections: BackendConnection[] = []
  for (const nodeId of [...new Set(nodeIds)].sort((a, b) => a - b)) {
    connections.push(await context.connection(nodeId, 'read'))
  }
  return connections
}

export type RunSettings = {
  readonly joins: JoinSettings
  /** Temporary tables can't be made in a read-only transaction: then its snapshot, to be used elsewhere; '' if any will do. */
  readonly snapshot: string | undefined
  readonly allowance: ByteAllowance
}

export async function readSettings(connection: BackendConnection): Promise<RunSettings> {
  const names = ['transaction_read_only', 'transaction_isolation', RESULT_SIZE, ...JOINS]
  const { rows } = await query(
    connection,
    `SELECT ${names.map((name) => `current_setting(${quoteLiteral(name)}, true)`).join(', ')}`,
  )
  const [isReadOnly, isolation, kilobytes = '', broadcasts, repartitions] = rows[0] ?? []
  const joins = { broadcasts: broadcasts || 'auto', repartitions: repartitions || 'auto' }
  const allowance = allowanceOf(kilobytes === '' ? DEFAULT_RESULT_KILOBYTES : Number(kilobytes))
  if (isReadOnly !== 'on') return { snapshot: undefined, allowance, joins }
  if (isolation === 'read committed' || isolation === 'read uncommitted') {
    return { snapshot: '', allowance, joins }
  }
  const exported = await query(connection, 'SELECT pg_catalog.pg_export_snapshot()')
  return { snapshot: exported.rows[0]?.[0] ?? '', allowance, joins }
}

function allowanceOf(limitKilobytes: number): ByteAllowance {
  const left = limitKilobytes < 0 ? Number.POSITIVE_INFINITY : limitKilobytes * 1024
  return { left, limitKilobytes }
}

/** A read-only transaction has written nothing that another connection could not see. */
async function runBeside<T>(
  plan: PulledPlan,
  snapshot: string,
  allowance: ByteAllowance,
  run: PulledRun,
  use: UsePulled<T>,
): Promise<T> {
  const { context, declaresCursor } = run
  // what a session lock or setting would be held by is not the session's own connection
  if (declaresCursor || plan.local.pin !== undefined) throw needsReadWrite()
  const side = await context.sideConnection(coordinatorOf(context.catalog).nodeId)
  try {
    await query(side, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE')
    if (snapshot !== '') await query(side, `SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`)
    const tables = await pull(plan, side, allowance, run)
    await query(side, 'SET TRANSACTION READ ONLY')
    context.watch(side, plan.local)
    return await use(tables, side)
  } finally {
    if (side.state === 'ready') await query(side, 'ROLLBACK')
  }
}

/** The tables of the plan's pulls, then those of its parts. */
export async function pull(
  plan: PulledPlan,
  connection: BackendConnection,
  allowance: ByteAllowance,
  run: Omit<PulledRun, 'declaresCursor'>,
): Promise<readonly PulledTable[]> {
  const { pulls, parts } = plan
  const { execution, context, isEmpty = false, filled } = run
  const keys = keysOf(execution.text, execution.parameters)
  const tables: PulledTable[] = []
  const isJoinOfMany = pulls.length + parts.length >= MANY_TABLES
  const take = async (table: PulledTable, rows: FilledRows, asked = execution) => {
    if (isEmpty) return
    const before = allowance.left
    const filling = { execution: asked, context, keys, allowance, isJoinOfMany }
    await fill(table, rows, connection, filling)
    table.byteLength = before - allowance.left
  }
  const reduced = isEmpty ? undefined : await ReducedPulls.of(plan, { execution, context })
  for (const index of reduced?.order ?? pulls.keys()) {
    const rows = pulls[index]
    if (rows === undefined) continue
    const known = filled?.(rows)
    tables[index] = known ?? (await createPulledTable(connection, rows))
    if (known !== undefined) continue
    const asked = await reduced?.asked(index, tables, connection)
    if (asked?.rows !== rows) tables[index].asked = asked
    await take(tables[index], asked?.rows ?? rows, asked?.execution)
    if (rows.needsPrimaryKey) await addPrimaryKey(connection, tables[index], rows)
  }
  for (const part of parts) {
    const table = await createPartTable(connection, part)
    tables.push(table)
    await take(table, { ...table.scatter, columns: table.columns })
  }
  return tables
}

export type FilledRows = Omit<PulledRows, 'needsPrimaryKey' | 'isFiltered'> & {
  /** What each shard is asked instead of the worker query alone. */
  readonly around?: (text: Buffer, shard: Shard) => Buffer
  /** 'write': the rows are locked. */
  readonly access?: 'read' | 'write'
}

export type Filling = Pick<PulledRun, 'execution' | 'context'> & {
  readonly keys: KeyReader
  /** Statistics are wanted of any table that has rows. */
  readonly isJoinOfMany?: boolean
  readonly allowance: ByteAllowance
}

export async function fill(
  table: Pick<PulledTable, 'name' | 'oid'>,
  rows: FilledRows,
  connection: BackendConnection,
  filling: Filling,
): Promise<void> {
  const { execution, context, keys } = filling
  const { around, access = 'read' } = rows
  const plain = await scatterRequest(rows, execution, context, keys, {
    resultFormats: BINARY,
    maxRows: 0,
    access,
  })
  const textFor = (shard: Shard) => around?.(plain.textFor(shard), shard) ?? plain.textFor(shard)
  const request = around === undefined ? plain : { ...plain, textFor, kept: undefined }
  const own = await ownShards(request, connection, context)
  const others = request.shards.filter((shard) => !own.includes(shard))
  let isLarge = false
  if (own.length > 0) {
    const run = { ...request, shards: own, kept: undefined }
    isLarge = await insertOwn(table, rows.columns, run, connection, filling)
  }
  if (others.length > 0) {
    const run = { ...request, shards: others }
    if (await copyOthers(table, rows.columns, run, connection, filling)) isLarge = true
  }
  if (isLarge) await query(connection, `ANALYZE ${table.name}`)
}

/** Those that are read over the very connection that has the table: no COPY can be open there meanwhile. */
async function ownShards(
  { shards }: ScatterRequest,
  connection: BackendConnection,
  context: StatementContext,
): Promise<readonly Shard[]> {
  const { nodeId } = connection.node
  const own = shards.filter((shard) => shard.nodeId === nodeId)
  if (own.length === 0) return own
  return (await context.connection(nodeId, 'read')) === connection ? own : []
}

async function insertOwn(
  { name, oid }: Pick<PulledTable, 'name' | 'oid'>,
  columns: readonly string[],
  request: ScatterRequest,
  connection: BackendConnection,
  { context, allowance, isJoinOfMany = false }: Filling,
): Promise<boolean> {
  const head = Buffer.from(`INSERT INTO ${name} (${columns.map(quoteIdentifier).join(', ')}) `)
  const textFor = (shard: Shard) => Buffer.concat([head, request.textFor(shard)])
  await scatter({ ...request, textFor, resultFormats: [] }, context, new ScatterFlow(), () => ({}))
  const { rows } = await query(connection, `SELECT pg_catalog.pg_relation_size(${oid})`)
  const size = Number(rows[0]?.[0])
  takeBytes(allowance, size)
  return size >= (isJoinOfMany ? 1 : ANALYZED_BYTES)
}

async function copyOthers(
  table: Pick<PulledTable, 'name'>,
  columns: readonly string[],
  request: ScatterRequest,
  connection: BackendConnection,
  { context, allowance, isJoinOfMany = false }: Filling,
): Promise<boolean> {
  const flow = new ScatterFlow()
  const filling = new PulledTableFilling(connection, table, columns, flow, allowance, context)
  try {
    await scatter(request, context, flow, filling.readerFor)
    await filling.finish()
  } catch (error) {
    await filling.abort()
    throw error
  }
  return filling.rowCount >= (isJoinOfMany ? 1 : ANALYZED_ROWS)
}

/** For an INSERT into something else, in its transaction. */
export async function pullInto(
  plan: PulledPlan,
  connection: BackendConnection,
  run: Omit<PulledRun, 'declaresCursor'>,
): Promise<readonly PulledTable[]> {
  const { allowance } = await readSettings(connection)
  return pull(plan, connection, allowance, run)
}

/** Where the statement names distributed tables, the names of their copies; where parts stand, what their rows make. */
export function pulledNames(
  { pulls, places, parts, local }: PulledPlan,
  tables: readonly PulledTable[],
): readonly Replacement[] {
  const named = places.map(({ start, end, pull: index, suffix }) => {
    return { start, end, text: `${tables[index]?.name}${suffix}` }
  })
  const filled = parts.map(({ start, end }, index) => {
    return { start, end, text: ` ${tables[pulls.length + index]?.text ?? ''} ` }
  })
  return [...named, ...filled, ...local.replacements]
}

export async function runOver(
  plan: PulledPlan,
  tables: readonly PulledTable[],
  connection: BackendConnection,
  { execution, context }: PulledRun,
): Promise<CommandTag> {
  const replacements = [...pulledNames(plan, tables)].sort((a, b) => a.start - b.start)
  const positions = new PositionMap()
  const text = replacedText(execution, replacements, positions)
  const { parameters, resultFormats, sendsRowDescription } = execution
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const mending = { positions }
  const shown = { client: context.client, catalog: pulledShown(plan, tables, context.catalog) }
  const reader = relayedRows(connection, shown, sendsRowDescription, mending)
  const answer = sendStatements(connection, [statement], reader, mending)
  await waitFor(answer, connection, context.signal)
  return answer.tag
}

/** Columns of the copies are the user's tables'. */
export function pulledShown(
  plan: PulledPlan,
  tables: readonly PulledTable[],
  catalog: Catalog,
): Catalog {
  const { nodeId } = coordinatorOf(catalog)
  const oids = tables.map(({ oid }, index): [number, number] => [
    oidKey(nodeId, oid),
    plan.pulls[index]?.table.oid ?? 0,
  ])
  return { ...catalog, shellOids: new Map(oids) }
}

export async function dropPulled(
  tables: readonly PulledTable[],
  connection: BackendConnection,
): Promise<void> {
  // its subqueries' values may be all that it wanted of the shards
  if (tables.length === 0) return
  await query(connection, `DROP TABLE ${tables.map(({ name }) => name).join(', ')}`)
}

function needsReadWrite(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a cursor, session lock or temporary object over rows of several shards that must be brought together needs a read-write transaction',
    { hint: 'Use a READ WRITE transaction.' },
  )
}
