import { RouterError } from '../base/errors.ts'
import type { ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { type CommandRun, runAll, workersOf } from './command-run.ts'
import { dropGlobalIndexes } from './global-indexes.ts'
import { quoteLiteral, quoteQualified } from './shard-schema.ts'

/**
 * DROP TABLE. Tried first on the coordinator's shells, so that errors are those of one Postgres; shards go before
 * shells, because their defaults use the shells' sequences.
 */
export async function dropTables(
  run: CommandRun,
  tables: readonly ClusterTable[],
  text: string,
): Promise<void> {
  const catalog = await run.catalog()
  const cascade = /\bcascade\s*;?\s*$/i.test(text) ? ' CASCADE' : ''
  const shells = tables.map(({ schema, name }) => quoteQualified(schema, name))
  await runAll(run.coordinator, [`LOCK TABLE ${shells.join(', ')} IN ACCESS EXCLUSIVE MODE`])
  await tryOnShells(run, tables, text)
  for (const { oid } of tables) {
    await dropGlobalIndexes(run, oid)
    await run.value(`SELECT pgloom.unregister_table(${oid}::oid::regclass)`)
  }
  await run.onEach(catalog.nodes, (connection, node) => {
    const shards = tables.flatMap((table) =>
      table.kind === 'distributed'
        ? table.shards
            .filter(({ nodeId }) => nodeId === node.nodeId)
            .map(({ schema }) => ({ schema, name: quoteQualified(schema, table.name) }))
        : [],
    )
    if (shards.length === 0) return Promise.resolve()
    const names = shards.map(({ name }) => name).join(', ')
    const schemas = shards.map(({ schema }) => schema)
    return runAll(connection, [`DROP TABLE ${names}${cascade}`, dropEmptySchemasSql(schemas)])
  })
  await run.onEach(workersOf(catalog), (connection) =>
    runAll(connection, [`DROP TABLE ${shells.join(', ')}${cascade}`]),
  )
  await query(run.coordinator, text)
}

const DEPENDENT_OBJECTS = '2BP01'

/**
 * What depends on a shell's sequence may be the defaults of shards beside it, which in earnest are changed before it;
 * they tell when there is more to it.
 */
export function mayBeDefaultsOfShards(
  error: unknown,
  { coordinator }: CommandRun,
  tables: readonly ClusterTable[],
): boolean {
  if (!(error instanceof RouterError) || error.sqlState !== DEPENDENT_OBJECTS) return false
  return tables.some(
    (table) =>
      table.kind === 'distributed' &&
      table.shards.some(({ nodeId }) => nodeId === coordinator.node.nodeId),
  )
}

async function tryOnShells(
  run: CommandRun,
  tables: readonly ClusterTable[],
  text: string,
): Promise<void> {
  await query(run.coordinator, 'SAVEPOINT pgloom_ddl')
  try {
    await query(run.coordinator, text)
  } catch (error) {
    if (!mayBeDefaultsOfShards(error, run, tables)) throw error
  }
  await query(run.coordinator, 'ROLLBACK TO SAVEPOINT pgloom_ddl; RELEASE SAVEPOINT pgloom_ddl')
}

/** Drops those of the shard schemas that have nothing left in them and are the role's own. */
export function dropEmptySchemasSql(schemas: readonly string[]): string {
  const list = [...new Set(schemas)].map(quoteLiteral).join(', ')
  return `DO $pgloom$ DECLARE schema_name name; BEGIN
  FOR schema_name IN SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname IN (${list})
    AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid)
  LOOP EXECUTE pg_catalog.format('DROP SCHEMA %I', schema_name); END LOOP;
END $pgloom$`
}
