import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { CommandTag, StatementContext } from '../executor/ports.ts'
import type { DdlPlan } from '../planner/plan.ts'
import { activeNodes, type CommandRun, runAll, tableByOid } from './command-run.ts'
import { spliced } from './run-ddl.ts'
import { quoteQualified } from './shard-schema.ts'

/** TRUNCATE of all shards and copies; the shells are empty and their guard stays closed. */
export async function truncate(run: CommandRun, plan: DdlPlan, text: string): Promise<CommandTag> {
  if (/\brestart\s+identity\b/i.test(text)) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'TRUNCATE … RESTART IDENTITY is not supported on distributed and reference tables',
      { hint: 'Leave out RESTART IDENTITY: every node draws from its own range of the sequence.' },
    )
  }
  const catalog = await run.catalog()
  const tables = plan.tables.map((table) => tableByOid(catalog, table.oid) ?? table)
  const cascade = /\bcascade\s*;?\s*$/i.test(text) ? ' CASCADE' : ''
  const shells = tables.map(({ schema, name }) => quoteQualified(schema, name))
  // The same lock as stock TRUNCATE, and its check of privileges; it also puts concurrent ones in order.
  await runAll(run.coordinator, [`LOCK TABLE ${shells.join(', ')} IN ACCESS EXCLUSIVE MODE`])
  await run.onEach(activeNodes(catalog), (connection, { nodeId }) => {
    const names = tables.flatMap((table) => namesOn(table, nodeId))
    if (names.length === 0) return Promise.resolve()
    return runAll(connection, [
      `SELECT set_config('pgloom.reference_write', '${catalog.nodes.length}', true)`,
      `TRUNCATE ${names.join(', ')}${cascade}`,
      "SELECT set_config('pgloom.reference_write', '', true)",
    ])
  })
  return 'TRUNCATE TABLE'
}

function namesOn(table: ClusterTable, nodeId: number): string[] {
  if (table.kind === 'reference') return [quoteQualified(table.schema, table.name)]
  return table.shards
    .filter((shard) => shard.nodeId === nodeId)
    .map(({ schema }) => quoteQualified(schema, table.name))
}

/** ANALYZE and VACUUM, shard by shard. They change no rows, so nothing has to be atomic. */
export async function maintain(
  context: StatementContext,
  plan: DdlPlan,
  text: Buffer,
): Promise<CommandTag> {
  if (plan.command === 'VACUUM' && context.isInTransaction) {
    throw new RouterError(
      SqlState.activeSqlTransaction,
      'VACUUM cannot run inside a transaction block',
    )
  }
  for (const node of context.catalog.nodes.filter(({ isActive }) => isActive)) {
    const connection = await context.connection(node.nodeId, 'write')
    const own = plan.splices.length === 0 ? text.toString('utf8') : spliced(text, plan, ownSchema)
    if (node.groupId === 0 || plan.tables.some(({ kind }) => kind === 'reference')) {
      await query(connection, own)
    }
    for (const statement of shardStatements(plan, text, node.nodeId)) {
      await query(connection, statement)
    }
  }
  return plan.command
}

function ownSchema({ schema }: ClusterTable): string {
  return schema
}

function shardStatements(plan: DdlPlan, text: Buffer, nodeId: number): string[] {
  const distributed = plan.tables.filter((table) => table.kind === 'distributed')
  if (plan.splices.length === 0 || plan.tables.length > 1) {
    const names = distributed.flatMap((table) => namesOn(table, nodeId))
    return names.map((name) => `${plan.command} ${name}`)
  }
  return distributed.flatMap((table) =>
    table.shards
      .filter((shard) => shard.nodeId === nodeId)
      .map(({ schema }) => spliced(text, plan, () => schema)),
  )
}
