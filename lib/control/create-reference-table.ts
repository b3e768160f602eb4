import type { BackendConnection } from '../backend/backend-connection.ts'
import type { ClusterNode } from '../catalog/catalog.ts'
import { copyAcross } from '../executor/copy/copy-across.ts'
import { type CommandRun, runAll, tableByOid, workersOf } from './command-run.ts'
import { lockTable } from './create-distributed-table.ts'
import { checkForeignKeys, checkTable } from './distribution-checks.ts'
import { type ArgumentValues, oidArgument } from './function-arguments.ts'
import { guardReferenceSql } from './guard-sql.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import { shareFunctions } from './share-functions.ts'
import { referenceRestSql, referenceTableSql, shareDependencies } from './shell-copies.ts'
import type { TableDescription } from './table-description.ts'
import { typeMap } from './type-map.ts'

export async function createReferenceTable(run: CommandRun, values: ArgumentValues): Promise<void> {
  const oid = oidArgument(values, 'table_name')
  const table = await lockTable(run, oid)
  checkTable(table)
  await run.value(`SELECT pgloom.register_reference_table(${oid}::oid::regclass)`)
  const catalog = await run.catalog()
  const tableOf = (target: number) => tableByOid(catalog, target)
  checkForeignKeys(table, { key: undefined, colocationId: 0, tableOf })
  await copyToNodes(run, table, workersOf(catalog))
  const name = quoteQualified(table.schema, table.name)
  await runAll(run.coordinator, guardReferenceSql(name, catalog.nodes.length))
}

/** After nodes came or went: writes that do not know it yet must fail. Waits for writes that are under way. */
export async function countNodesInGuards(run: CommandRun): Promise<void> {
  const { tables, nodes } = await run.catalog()
  for (const table of tables.values()) {
    if (table.kind !== 'reference') continue
    const name = quoteQualified(table.schema, table.name)
    await runAll(run.coordinator, guardReferenceSql(name, nodes.length))
  }
}

/** Makes the table's copies on these nodes, with the coordinator's rows. */
export async function copyToNodes(
  run: CommandRun,
  table: TableDescription,
  nodes: readonly ClusterNode[],
): Promise<void> {
  await shareFunctions(run, nodes)
  await shareDependencies(run, table, nodes, 'reference')
  for (const node of nodes) {
    const target = await run.on(node.nodeId)
    await runAll(target, [referenceTableSql(table)])
    await copyRows(run, [run.coordinator, target], table, quoteQualified(table.schema, table.name))
    await runAll(target, referenceRestSql(table))
  }
}

/** All rows of the same named table on `source`, into `into` on `target`. Streams. */
export async function copyRows(
  run: CommandRun,
  [source, target]: readonly [BackendConnection, BackendConnection],
  table: TableDescription,
  into: string,
  from = into,
): Promise<void> {
  const columns = table.columns
    .filter(({ generated }) => generated === '')
    .map(({ name }) => quoteIdentifier(name))
    .join(', ')
  const copy = `COPY ${into} (${columns}) FROM STDIN (FORMAT binary)`
  const nodeIds = [source.node.nodeId, target.node.nodeId]
  const catalog = await typeMap(run, table, nodeIds)
  const { signal } = run.context
  await copyAcross(source, `${columns} FROM ONLY ${from}`, target, copy, { signal, catalog })
}
