import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterTable, DistributedTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { type CommandRun, runAll, tableByOid, workersOf } from './command-run.ts'
import { copyRows } from './create-reference-table.ts'
import { dropEmptySchemasSql } from './drop-tables.ts'
import { type ArgumentValues, oidArgument } from './function-arguments.ts'
import { dropGlobalIndexes } from './global-indexes.ts'
import { unguardReferenceSql, unguardShellSql } from './guard-sql.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import type { TableDescription } from './table-description.ts'

/** Brings all rows back into a local table on the coordinator. */
export async function undistributeTable(run: CommandRun, values: ArgumentValues): Promise<void> {
  const oid = oidArgument(values, 'table_name')
  const table = await run.describe(oid)
  const name = quoteQualified(table.schema, table.name)
  await runAll(run.coordinator, [`LOCK TABLE ONLY ${name} IN ACCESS EXCLUSIVE MODE`])
  const catalog = await run.catalog()
  const cluster = tableByOid(catalog, oid)
  if (cluster === undefined) {
    throw new RouterError(
      SqlState.invalidTableDefinition,
      `cannot undistribute table because the table is not distributed`,
    )
  }
  refuseForeignKeys(table)
  const workers = workersOf(catalog)
  await runAll(run.coordinator, unguard(cluster, name))
  if (cluster.kind === 'distributed') await bringRowsBack(run, cluster, table)
  await dropGlobalIndexes(run, oid)
  await run.value(`SELECT pgloom.unregister_table(${oid}::oid::regclass)`)
  await run.onEach(workers, (connection) => runAll(connection, [`DROP TABLE ${name}`]))
}

function unguard(cluster: ClusterTable, name: string): string[] {
  return cluster.kind === 'distributed' ? unguardShellSql(name) : unguardReferenceSql(name)
}

function refuseForeignKeys(table: TableDescription): void {
  if (table.foreignKeys.length + table.referencedBy.length === 0) return
  throw new RouterError(
    SqlState.featureNotSupported,
    `cannot complete operation because table ${table.name} has a foreign key`,
    { hint: 'Drop the foreign keys from and to the table first.' },
  )
}

async function bringRowsBack(
  run: CommandRun,
  cluster: DistributedTable,
  table: TableDescription,
): Promise<void> {
  const shell = quoteQualified(table.schema, table.name)
  const columns = table.columns
    .filter(({ generated }) => generated === '')
    .map(({ name }) => quoteIdentifier(name))
    .join(', ')
  for (const shard of cluster.shards) {
    const name = quoteQualified(shard.schema, cluster.name)
    const source = await run.on(shard.nodeId)
    await runAll(source, [`LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`])
    if (source === run.coordinator) {
      const overriding = table.columns.some(({ identity }) => identity === 'a')
        ? ' OVERRIDING SYSTEM VALUE'
        : ''
      const insert = `INSERT INTO ${shell} (${columns})${overriding} SELECT ${columns} FROM ${name}`
      await query(source, insert)
    } else {
      await copyRows(run, [source, run.coordinator], table, shell, name)
    }
    await runAll(source, [`DROP TABLE ${name}`, dropEmptySchemasSql([shard.schema])])
  }
}
