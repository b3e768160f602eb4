import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { CommandTag } from '../executor/ports.ts'
import type { DdlPlan } from '../planner/plan.ts'
import { activeNodes, type CommandRun, runAll, tableByOid, workersOf } from './command-run.ts'
import { syncGlobalIndexes } from './global-indexes.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'

type ClusterIndex = { readonly name: string; readonly schema: string; readonly table: ClusterTable }

/** DROP INDEX and ALTER INDEX: indexes of local tables go the usual way, those of cluster tables to every shard. */
export async function runIndexDdl(
  run: CommandRun,
  plan: DdlPlan,
  text: string,
): Promise<CommandTag> {
  const catalog = await run.catalog()
  const indexes: ClusterIndex[] = []
  for (const { schema, name } of plan.indexNames) {
    const index = await findIndex(run, catalog, schema, name)
    if (index !== undefined) indexes.push(index)
  }
  if (indexes.length === 0) return (await query(run.coordinator, text)).tag
  if (/\bconcurrently\b/i.test(text)) {
    refuse(
      'DROP INDEX CONCURRENTLY is not supported on distributed and reference tables',
      'Leave out CONCURRENTLY.',
    )
  }
  if (indexes.length < plan.indexNames.length) {
    refuse(
      'cannot change indexes of local and cluster tables in one statement',
      'Use one statement for each.',
    )
  }
  const tag =
    plan.command === 'DROP INDEX'
      ? await dropIndexes(run, catalog, indexes, text)
      : await alterIndex(run, catalog, indexes, plan, text)
  for (const table of new Set(indexes.map((index) => index.table))) {
    if (table.kind === 'distributed') await syncGlobalIndexes(run, table)
  }
  return tag
}

function refuse(message: string, hint: string): never {
  throw new RouterError(SqlState.featureNotSupported, message, { hint })
}

async function findIndex(
  run: CommandRun,
  catalog: Catalog,
  schema: string | undefined,
  name: string,
): Promise<ClusterIndex | undefined> {
  const qualified = schema === undefined ? quoteIdentifier(name) : quoteQualified(schema, name)
  const { rows } = await query(
    run.coordinator,
    `SELECT i.indrelid::int8, n.nspname FROM pg_catalog.pg_index i
     JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE i.indexrelid = pg_catalog.to_regclass($1)`,
    [qualified],
  )
  const [tableOid, indexSchema] = rows[0] ?? []
  const table = tableByOid(catalog, Number(tableOid ?? 0))
  return table === undefined || indexSchema === undefined
    ? undefined
    : { name, schema: indexSchema, table }
}

async function dropIndexes(
  run: CommandRun,
  catalog: Catalog,
  indexes: readonly ClusterIndex[],
  text: string,
): Promise<CommandTag> {
  const cascade = /\bcascade\s*;?\s*$/i.test(text) ? ' CASCADE' : ''
  const { tag } = await query(run.coordinator, text)
  const drop = (names: readonly string[]) => `DROP INDEX ${names.join(', ')}${cascade}`
  await run.onEach(workersOf(catalog), (connection) =>
    runAll(connection, [drop(indexes.map(({ schema, name }) => quoteQualified(schema, name)))]),
  )
  await run.onEach(activeNodes(catalog), (connection, { nodeId }) => {
    const names = indexes.flatMap(({ name, table }) => shardIndexes(table, name, nodeId))
    return runAll(connection, names.length === 0 ? [] : [drop(names)])
  })
  return tag
}

function shardIndexes(table: ClusterTable, name: string, nodeId: number): string[] {
  if (table.kind === 'reference') return []
  return table.shards
    .filter((shard) => shard.nodeId === nodeId)
    .map(({ schema }) => quoteQualified(schema, name))
}

/**
 * The parser gives no place for the index's name, so search_path leads to it: set to the one schema alone, a missing
 * index is an error and never another schema's.
 */
async function alterIndex(
  run: CommandRun,
  catalog: Catalog,
  indexes: readonly ClusterIndex[],
  plan: DdlPlan,
  text: string,
): Promise<CommandTag> {
  const [index] = indexes
  if (index === undefined || plan.indexNames[0]?.schema !== undefined) {
    refuse(
      'ALTER INDEX with a qualified name is not supported on cluster tables',
      'Leave out the schema.',
    )
  }
  const { tag } = await query(run.coordinator, text)
  await run.onEach(activeNodes(catalog), async (connection, { nodeId, groupId }) => {
    const saved = await query(connection, "SELECT current_setting('search_path')")
    const schemas =
      index.table.kind === 'reference'
        ? []
        : index.table.shards.filter((shard) => shard.nodeId === nodeId).map(({ schema }) => schema)
    for (const schema of groupId === 0 ? schemas : [index.schema, ...schemas]) {
      await runAll(connection, [`SET LOCAL search_path = ${quoteIdentifier(schema)}`, text])
    }
    const path = saved.rows[0]?.[0] ?? ''
    await query(connection, "SELECT set_config('search_path', $1, true)", [path])
  })
  return tag
}
