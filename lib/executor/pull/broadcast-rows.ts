import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { ClusterNode, ReferenceTable } from '../../catalog/catalog.ts'
import { copyAcross } from '../copy/copy-across.ts'
import { interruptible } from '../interruptible.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { tagCount } from '../server-answer.ts'
import { copiedColumns } from '../write/distribute-rows.ts'
import { withReferenceWrites } from '../write/reference-guard.ts'

/** Copies all rows of a scratch table into every node's copy of a reference table, the source's own included. */
export async function broadcastRows(
  source: BackendConnection,
  from: string,
  table: ReferenceTable,
  context: StatementContext,
): Promise<number> {
  const columns = copiedColumns(table)
  const target = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const count = await withReferenceWrites(
    source,
    async () => {
      const insert = `INSERT INTO ${target} (${columns}) OVERRIDING SYSTEM VALUE`
      const work = query(source, `${insert} SELECT ${columns} FROM ${from} ORDER BY ctid`)
      const { tag } = await interruptible(source, context.signal, work)
      return tagCount(tag)
    },
    context.catalog.nodes.length,
  )
  const others = context.catalog.nodes.filter(({ nodeId }) => nodeId !== source.node.nodeId)
  for (const node of others) {
    const copied = await copyToNode(source, from, columns, target, node, context)
    if (copied !== count) {
      throw new RouterError(SqlState.internalError, `the copies of "${table.name}" would differ`)
    }
  }
  return count
}

async function copyToNode(
  source: BackendConnection,
  from: string,
  columns: string,
  target: string,
  { nodeId }: ClusterNode,
  context: StatementContext,
): Promise<number> {
  const connection = await context.connection(nodeId, 'write')
  const copy = `COPY ${target} (${columns}) FROM STDIN (FORMAT binary)`
  return withReferenceWrites(
    connection,
    () => copyAcross(source, `${columns} FROM ${from} ORDER BY ctid`, connection, copy, context),
    context.catalog.nodes.length,
  )
}
