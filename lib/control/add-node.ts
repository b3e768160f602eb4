import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { type CommandRun, runAll } from './command-run.ts'
import { copyRows, countNodesInGuards } from './create-reference-table.ts'
import { type ArgumentValues, textArgument } from './function-arguments.ts'
import { NODE_SQL } from './guard-sql.ts'
import type { NodeAddress } from './metadata-schema.ts'
import { createExtensions } from './run-extension-ddl.ts'
import { tellFailure } from './run-function-ddl.ts'
import { quoteQualified } from './shard-schema.ts'
import { shareFunctions } from './share-functions.ts'
import { referenceRestSql, referenceTableSql, shareDependencies, shellSql } from './shell-copies.ts'
import type { TableDescription } from './table-description.ts'

/** A connection to a node that no catalog knows yet, as the role that owns the metadata. The caller closes it. */
export type ConnectNode = (node: NodeAddress & { nodeId: number }) => Promise<BackendConnection>

/**
 * Registers a node, and makes there what every node has: the guards, the shells and the reference tables with their
 * rows. The new node's part is committed before the metadata that make it known: what a failure in between leaves
 * behind is guarded and unknown, and replaced by the next try.
 */
export async function addNode(
  run: CommandRun,
  values: ArgumentValues,
  connectNode: ConnectNode,
): Promise<string> {
  refuseVariants(values)
  const host = textArgument(values, 'nodename')
  const port = Number(textArgument(values, 'nodeport'))
  const { rows } = await query(
    run.coordinator,
    'SELECT node_id, group_id, is_new FROM pgloom.add_node($1, $2::int, false, true)',
    [host, String(port)],
  )
  const [nodeId = '0', groupId = '0', isNew] = rows[0] ?? []
  if (isNew !== 't') return nodeId
  const node = await connectNode({ nodeId: Number(nodeId), host, port })
  try {
    await query(node, 'BEGIN')
    await query(node, NODE_SQL)
    await createExtensions(run, node)
    await copyTables(run, node, Number(groupId))
    await run.value(`SELECT pgloom.add_reference_placements(${nodeId})`)
    await countNodesInGuards(run)
    await query(node, 'COMMIT')
  } finally {
    node.close()
  }
  return nodeId
}

function refuseVariants(values: ArgumentValues): void {
  if (values.get('groupid') === '-1' && values.get('noderole') === 'primary') return
  throw new RouterError(
    SqlState.featureNotSupported,
    'only primary nodes of a new group can be added',
    {
      hint: 'Leave out groupid and noderole.',
    },
  )
}

async function copyTables(
  run: CommandRun,
  node: BackendConnection,
  groupId: number,
): Promise<void> {
  const catalog = await run.catalog()
  const asNode = {
    nodeId: node.node.nodeId,
    groupId,
    host: '',
    port: 0,
    isActive: true,
    shouldHaveShards: true,
  }
  run.adopt(node)
  await shareFunctions(run, [asNode])
  for (const table of inOrder(await describeAll(run, catalog))) {
    const { description, cluster } = table
    await dropLeftover(node, description)
    await shareDependencies(run, description, [asNode], cluster.kind)
    if (cluster.kind === 'distributed') {
      await runAll(node, shellSql(description))
      continue
    }
    const name = quoteQualified(description.schema, description.name)
    await runAll(run.coordinator, [`LOCK TABLE ${name} IN EXCLUSIVE MODE`])
    await runAll(node, [referenceTableSql(description)])
    await copyRows(run, [run.coordinator, node], description, name)
    await runAll(node, referenceRestSql(description))
  }
  // once more: arguments may be rows of the tables
  for (const failure of (await shareFunctions(run, [asNode])).values()) {
    tellFailure(run, node, failure)
  }
}

type Copied = { readonly cluster: ClusterTable; readonly description: TableDescription }

async function describeAll(run: CommandRun, catalog: Catalog): Promise<Copied[]> {
  const all: Copied[] = []
  for (const cluster of catalog.tables.values()) {
    all.push({ cluster, description: await run.describe(cluster.oid) })
  }
  return all
}

/** Referenced tables first. Foreign keys in a circle are found by Postgres: the table isn't there yet. */
function inOrder(tables: readonly Copied[]): Copied[] {
  const ordered: Copied[] = []
  const visited = new Set<number>()
  const byOid = new Map(tables.map((table) => [table.cluster.oid, table]))
  const visit = (table: Copied): void => {
    if (visited.has(table.cluster.oid)) return
    visited.add(table.cluster.oid)
    for (const { targetOid } of table.description.foreignKeys) {
      const target = byOid.get(targetOid)
      if (target !== undefined) visit(target)
    }
    ordered.push(table)
  }
  for (const table of tables) visit(table)
  return ordered
}

/** Only what bears our guard may be a leftover; any other table of that name is the user's, and an error. */
async function dropLeftover(node: BackendConnection, table: TableDescription): Promise<void> {
  const name = quoteQualified(table.schema, table.name)
  const { rows } = await query(
    node,
    "SELECT true FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = 'pgloom_guard'",
    [name],
  )
  if (rows.length > 0) await runAll(node, [`DROP TABLE ${name} CASCADE`])
}
