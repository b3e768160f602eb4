import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type { FunctionResult } from '../executor/ports.ts'
import { clientGid } from '../executor/transaction/client-prepare.ts'
import { SPREAD_REST, spreadPrefix } from '../executor/transaction/spread-prepare.ts'
import { readClusterId } from '../executor/transaction/two-phase-commit.ts'
import {
  ACTIVITY_COLUMNS,
  LOCK_COLUMNS,
  LOCK_WAIT_COLUMNS,
  PREPARED_COLUMNS,
  type ResultColumn,
} from '../planner/cluster-results.ts'
import { activeNodes, type CommandRun } from './command-run.ts'
import { type ArgumentValues, textArgument } from './function-arguments.ts'

/** As in Citus: the node's number in front of the process' own. */
const GPID_FACTOR = 10_000_000_000

const OWN_COLUMNS = 3

/** $1: the node's number. Only what the user may see, as in pg_stat_activity itself. */
const ACTIVITY = `
SELECT $1::int8 * ${GPID_FACTOR} + a.pid, $1, false, ${ACTIVITY_COLUMNS.slice(OWN_COLUMNS)
  .map(({ name }) => `a.${name}`)
  .join(', ')}
FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database()`

const LOCK_WAITS = `
SELECT $1::int8 * ${GPID_FACTOR} + w.pid, $1::int8 * ${GPID_FACTOR} + b.pid, w.query, b.query, $1, $1
FROM (SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE NOT granted) l
JOIN pg_catalog.pg_stat_activity w USING (pid)
CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(l.pid)) AS blocker(pid)
JOIN pg_catalog.pg_stat_activity b ON b.pid = blocker.pid
WHERE w.datname = pg_catalog.current_database()`

const LOCKS = `
SELECT $1::int8 * ${GPID_FACTOR} + l.pid, $1, ${LOCK_COLUMNS.slice(2)
  .map(({ name }) => (name === 'relation_name' ? 'l.relation::regclass::text' : `l.${name}`))
  .join(', ')}
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE a.datname = pg_catalog.current_database()`

/** $1: what stands before a client's own name; on the coordinator only where others have a part. Of our own commits nothing is shown: they end by themselves. */
const PREPARED = `
SELECT p.transaction, CASE WHEN NOT pg_catalog.starts_with(p.gid, $1) THEN p.gid
    WHEN $1 ~ '^pgloom::' THEN pg_catalog.substr(p.gid, pg_catalog.length($1) + ${SPREAD_REST + 1})
    ELSE pg_catalog.substr(p.gid, pg_catalog.length($1) + 1) END, p.prepared, p.owner, p.database
FROM pg_catalog.pg_prepared_xacts p
WHERE CASE WHEN pg_catalog.starts_with(p.gid, $1) THEN p.database = pg_catalog.current_database()
  ELSE $1 ~ '^pgloom::' AND p.gid !~ '^pgloom_[0-9a-f]{12}_[0-9a-f]{32}_[0-9]+$' AND p.gid !~ '^pgloom:' END`

/** Shown as text; rows need their types only where they are the whole answer. */
const TEXT = { typeOid: 25, typeSize: -1 }
const TYPES: Readonly<Record<string, { readonly typeOid: number; readonly typeSize: number }>> = {
  int8: { typeOid: 20, typeSize: 8 },
  int4: { typeOid: 23, typeSize: 4 },
  int2: { typeOid: 21, typeSize: 2 },
  bool: { typeOid: 16, typeSize: 1 },
  oid: { typeOid: 26, typeSize: 4 },
  name: { typeOid: 19, typeSize: 64 },
  inet: { typeOid: 869, typeSize: -1 },
  timestamptz: { typeOid: 1184, typeSize: 8 },
  regclass: { typeOid: 2205, typeSize: 4 },
  float8: { typeOid: 701, typeSize: 8 },
  xid: { typeOid: 28, typeSize: 4 },
}

export function statActivity(run: CommandRun): Promise<FunctionResult> {
  return onAllNodes(run, ACTIVITY, ACTIVITY_COLUMNS)
}

export function lockWaits(run: CommandRun): Promise<FunctionResult> {
  return onAllNodes(run, LOCK_WAITS, LOCK_WAIT_COLUMNS)
}

export function locks(run: CommandRun): Promise<FunctionResult> {
  return onAllNodes(run, LOCKS, LOCK_COLUMNS)
}

/** What clients have prepared anywhere, by their own names. */
export async function preparedTransactions(run: CommandRun): Promise<FunctionResult> {
  const { nodeId: coordinatorId } = run.coordinator.node
  const clusterId = await readClusterId(run.coordinator)
  return onAllNodes(run, PREPARED, PREPARED_COLUMNS, (nodeId) =>
    nodeId === coordinatorId ? spreadPrefix(clusterId) : clientGid('', clusterId, false),
  )
}

export async function backendGpid(run: CommandRun): Promise<FunctionResult> {
  const pid = await run.value('SELECT pg_catalog.pg_backend_pid()')
  const gpid = run.coordinator.node.nodeId * GPID_FACTOR + Number(pid)
  return oneValue('citus_backend_gpid', 'int8', String(gpid))
}

/** pg_cancel_backend or pg_terminate_backend of a server process anywhere in the cluster, with the user's own rights. */
export async function signalBackend(
  run: CommandRun,
  values: ArgumentValues,
  name: 'pg_cancel_backend' | 'pg_terminate_backend',
): Promise<FunctionResult> {
  const gpid = Number(textArgument(values, 'pid'))
  const nodeId = Math.floor(gpid / GPID_FACTOR)
  if (!run.context.catalog.nodes.some((node) => node.nodeId === nodeId)) {
    throw new RouterError(
      SqlState.invalidParameterValue,
      `global pid ${gpid} is of no node of this cluster`,
    )
  }
  const timeout = name === 'pg_terminate_backend' ? (values.get('timeout') ?? '0') : undefined
  const rest = timeout === undefined ? '' : ', $2::int8'
  const connection = await run.context.sideConnection(nodeId)
  const { rows } = await query(connection, `SELECT pg_catalog.${name}($1::int4${rest})`, [
    String(gpid % GPID_FACTOR),
    ...(timeout === undefined ? [] : [timeout]),
  ])
  return oneValue(name, 'bool', rows[0]?.[0])
}

export function oneValue(name: string, type: string, value: string | undefined): FunctionResult {
  return { columns: [{ name, ...(TYPES[type] ?? TEXT) }], rows: [[value]] }
}

async function onAllNodes(
  { context }: CommandRun,
  sql: string,
  columns: readonly ResultColumn[],
  parameterOf: (nodeId: number) => string = String,
): Promise<FunctionResult> {
  const rows = await Promise.all(
    activeNodes(context.catalog).map(async ({ nodeId }) => {
      const connection = await context.sideConnection(nodeId)
      return (await query(connection, sql, [parameterOf(nodeId)])).rows
    }),
  )
  return resultOf(columns, rows.flat())
}

export function resultOf(
  columns: readonly ResultColumn[],
  rows: FunctionResult['rows'],
): FunctionResult {
  return { columns: columns.map(({ name, type }) => ({ name, ...(TYPES[type] ?? TEXT) })), rows }
}
