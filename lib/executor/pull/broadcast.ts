import type { BackendConnection } from '../../backend/backend-connection.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { PulledPlan, PulledRows, ScatterSelect } from '../../planner/plan.ts'
import { broadcastName } from '../../planner/pull/broadcast-planner.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { keysOf } from '../execution-keys.ts'
import { query } from '../node-client.ts'
import type { CommandTag } from '../ports.ts'
import { allowedShards } from '../route.ts'
import { runScatterSelect } from '../select.ts'
import { type Chosen, chooseBroadcast, isWorthIt } from './broadcast-choice.ts'
import { type SentTable, sendToNode, sentColumns } from './broadcast-tables.ts'
import {
  type Filling,
  fill,
  freeze,
  type PulledRun,
  type RunSettings,
  readSettings,
  runPulled,
  runPulledHere,
} from './pulled.ts'
import { createPartTable } from './pulled-part.ts'
import { addPrimaryKey, createPulledTable, type PulledTable, pulledName } from './pulled-table.ts'

/**
 * A pulled statement, or rather: the rows of its small side come to all nodes as temporary tables, and those of the large one
 * stay in their shards. It is pulled where that isn't proven right, or not worth it.
 */
export function runPulledOrBroadcast(plan: PulledPlan, run: PulledRun): Promise<CommandTag> {
  const { context } = run
  const { local, broadcasts } = plan
  const isPlain = local.isReadOnly && local.pin === undefined && !local.runsCode
  // temporary tables would keep the nodes from preparing what the client's transaction writes
  if (broadcasts === undefined || !isPlain || context.isInTransaction) return runPulled(plan, run)
  return context.atomically(async () => {
    await freeze(plan, run)
    const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
    const settings = await readSettings(connection)
    if (settings.snapshot !== undefined) return runPulled(plan, run)
    const chosen = await chooseBroadcast(broadcasts, settings.broadcasts, run)
    if (chosen === undefined) return runPulledHere(plan, connection, settings.allowance, run)
    return runChoice(plan, chosen, connection, settings, run)
  })
}

async function runChoice(
  plan: PulledPlan,
  { choice, scatter, keptBytes }: Chosen,
  connection: BackendConnection,
  settings: RunSettings,
  run: PulledRun,
): Promise<CommandTag> {
  const { execution, context } = run
  const { allowance } = settings
  const keys = keysOf(execution.text, execution.parameters)
  const filling = { execution, context, keys, allowance }
  const before = allowance.left
  const filled = new Map<string, PulledTable>()
  for (const rows of choice.pulls) {
    filled.set(pullKey(rows), await pullTable(rows, connection, filling))
  }
  const parts: PulledTable[] = []
  for (const part of choice.parts) {
    const table = await createPartTable(connection, part)
    await fill(table, { ...table.scatter, columns: table.columns }, connection, filling)
    const name = pulledName()
    await query(
      connection,
      `CREATE TEMPORARY TABLE ${name} (${part.names.map((_, index) => `c${index + 1}`).join(', ')}) ON COMMIT DROP AS ${table.text}`,
    )
    parts.push({ name, oid: 0, byteLength: 0 })
  }
  const pulled = () => {
    const known = (rows: PulledRows) => filled.get(pullKey(rows))
    return runPulledHere(plan, connection, allowance, { ...run, filled: known })
  }
  const nodeIds = [
    ...new Set(allowedShards(scatter.table, scatter.pins, keys).map(({ nodeId }) => nodeId)),
  ]
  const sentBytes = before - allowance.left
  if (!isWorthIt({ sentBytes, keptBytes }, settings.broadcasts, nodeIds.length)) return pulled()
  const tables: SentTable[] = []
  for (const rows of choice.pulls) {
    const table = filled.get(pullKey(rows))
    if (table === undefined) throw new Error('a table has not been filled')
    tables.push({ name: table.name, wanted: rows.columns, rows })
  }
  for (const { name } of parts) tables.push({ name, wanted: undefined, rows: undefined })
  for (const table of tables) {
    const columns = await sentColumns(connection, table)
    if (columns === undefined) return pulled()
    for (const nodeId of nodeIds) await sendToNode(connection, table, columns, nodeId, context)
  }
  const named = withNames(scatter, tables)
  context.noteTier('combine')
  return runScatterSelect(named, { ...execution, keepsStatement: false }, context, keys)
}

async function pullTable(rows: PulledRows, connection: BackendConnection, filling: Filling) {
  const table = await createPulledTable(connection, rows)
  await fill(table, rows, connection, filling)
  if (rows.needsPrimaryKey) await addPrimaryKey(connection, table, rows)
  return table
}

/** The plan with the names that the tables have this time. */
function withNames(scatter: ScatterSelect, tables: readonly SentTable[]): ScatterSelect {
  const pieces = scatter.worker.pieces.map((piece) =>
    Buffer.from(
      tables.reduce(
        (text, { name }, index) =>
          text.replaceAll(broadcastName(index), name.slice('pg_temp.'.length)),
        piece.toString(),
      ),
    ),
  )
  const { combine } = scatter
  const gathered = combine?.gathered
  const exact = () => {
    const other = gathered?.()
    if (other === undefined) throw new Error('there is no exact alternative')
    return other.kind === 'scatter' ? withNames(other, tables) : other
  }
  return {
    ...scatter,
    worker: { ...scatter.worker, pieces },
    combine: combine && { ...combine, gathered: gathered && exact },
  }
}
