import type { Catalog } from '../catalog/catalog.ts'
import { type NodeType, userTypesOf } from '../catalog/user-types.ts'
import { query } from '../executor/node-client.ts'
import { FIRST_USER_OID } from '../executor/relay/row-description-mapping.ts'
import { USER_TYPES } from './catalog-loader.ts'
import type { CommandRun } from './command-run.ts'
import type { TableDescription } from './table-description.ts'

/** What the types of the table's rows are called on these nodes, as this transaction sees them: it may have made them. */
export async function typeMap(
  run: CommandRun,
  { columns }: TableDescription,
  nodeIds: readonly number[],
): Promise<Pick<Catalog, 'nodes' | 'userTypes'>> {
  const { nodes } = run.context.catalog
  if (columns.every(({ typeOid }) => typeOid < FIRST_USER_OID)) return { nodes }
  const coordinatorId = run.coordinator.node.nodeId
  const typesOfNodes = new Map<number, readonly NodeType[]>()
  for (const nodeId of new Set([coordinatorId, ...nodeIds])) {
    const { rows } = await query(await run.on(nodeId), USER_TYPES)
    typesOfNodes.set(
      nodeId,
      rows.map(([type = '']) => JSON.parse(type)),
    )
  }
  return { nodes, ...userTypesOf(typesOfNodes, coordinatorId) }
}
