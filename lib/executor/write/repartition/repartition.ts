import { ServerError } from '../../../base/errors.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { InsertThroughScratchPlan, Repartition } from '../../../planner/write/write-plans.ts'
import { maySplit } from '../../copy/split/copy-facts.ts'
import type { CopyStatements, CopyTargets } from '../../copy/split/copy-targets.ts'
import { BROKEN_SHARD, UNKNOWN_SHARD } from '../../copy/split/row-splitter.ts'
import { keysOf } from '../../execution-keys.ts'
import { query } from '../../node-client.ts'
import type { CommandTag, Execution, StatementContext } from '../../ports.ts'
import { mendError } from '../../relay/error-rewriting.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { unchangedPositions } from '../../relay/relay-on.ts'
import type { ScatterRequest } from '../../scatter/scatter.ts'
import { scatterRequest } from '../../scatter/scatter-request.ts'
import { describeStatement } from '../../statement-description.ts'
import { RowExchange } from './row-exchange.ts'
import { openPortals } from './row-portals.ts'

const SETTING = 'citus.enable_repartitioned_insert_select'

/**
 * INSERT … SELECT whose rows go from shard to shard through the proxy, in binary and as they come, on the transaction's own
 * connections: of each node by turns some rows are read and some are written. The queries have begun before the first row
 * is written, so that none sees one. undefined: it must be done in another way, and nothing has been done.
 */
export async function runRepartitioned(
  plan: InsertThroughScratchPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag | undefined> {
  const { table } = plan
  const repartition = await usableRepartition(plan, context)
  if (repartition === undefined || table.kind !== 'distributed') return undefined
  context.noteTier('scatter')
  const request = await repartitionRequest(repartition, execution, context)
  const portals = await openPortals(request, context)
  const statements = copyStatements(table, repartition.columns, context)
  const exchange = new RowExchange({
    statements,
    keyIndex: repartition.keyIndex,
    nullShard: table.distributionColumn.isNotNull ? BROKEN_SHARD : UNKNOWN_SHARD,
    onEmpty: (targets) => touchTarget(table, targets, context),
    hint: `SET ${SETTING} = off, or insert the widest rows in a statement of their own.`,
  })
  const count = await exchange.run(portals)
  return `INSERT 0 ${count}`
}

/** The plan's, unless the session or the table's defaults and foreign keys forbid it. */
export async function usableRepartition(
  { repartition, table }: InsertThroughScratchPlan,
  context: StatementContext,
): Promise<Repartition | undefined> {
  const [shard] = table.kind === 'distributed' ? table.shards : []
  if (repartition === undefined || shard === undefined || table.kind !== 'distributed') {
    return undefined
  }
  const { nodeId } = coordinatorOf(context.catalog)
  const coordinator = await context.connection(nodeId, 'read')
  const { rows } = await query(
    coordinator,
    `SELECT pg_catalog.current_setting('${SETTING}', true) = 'off'`,
  )
  if (rows[0]?.[0] === 't') return undefined
  const connection = await context.connection(shard.nodeId, 'read')
  const isSplit = await maySplit(connection, table, repartition.columns, context)
  return isSplit ? repartition : undefined
}

/** What each shard is asked. Throws what is wrong with the statement, as the coordinator finds it on the shells. */
export async function repartitionRequest(
  { rows }: Repartition,
  execution: Execution,
  context: StatementContext,
): Promise<ScatterRequest> {
  const { nodeId } = coordinatorOf(context.catalog)
  const coordinator = await context.connection(nodeId, 'read')
  const { text, parameters } = execution
  try {
    const { parameterTypes: types } = await describeStatement(coordinator, text, parameters.types)
    const typed = { ...execution, parameters: { ...parameters, types } }
    const keys = keysOf(text, typed.parameters)
    const options = { resultFormats: [1], maxRows: 0, access: 'read' } as const
    return await scatterRequest(rows, typed, context, keys, options)
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    const positions = unchangedPositions(execution)
    throw mendError(error.frame, 0, error.frame.length, { positions })
  }
}

/** Whether the user may write to the table matters also where there is nothing to write. */
async function touchTarget(
  { shards }: DistributedTable,
  targets: CopyTargets,
  context: StatementContext,
): Promise<void> {
  const [shard] = shards
  if (shard === undefined) return
  const connection = await context.connection(shard.nodeId, 'write')
  targets.begin(connection, {})
}

function copyStatements(
  table: DistributedTable,
  columns: readonly string[],
  context: StatementContext,
): CopyStatements {
  const list = columns.map(quoteIdentifier).join(', ')
  const into = (name: string) => {
    const text = Buffer.from(`COPY ${name} (${list}) FROM STDIN (FORMAT binary)`)
    return { text, positions: 'drop' as const }
  }
  return {
    table,
    context,
    showsLines: false,
    intoShard: into,
    intoScratch: ({ qualifiedName }) => into(qualifiedName),
  }
}
