import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { DistributedTable } from '../../catalog/catalog.ts'
import type { PulledRows } from '../../planner/plan.ts'
import { copyAcross } from '../copy/copy-across.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import { isUserType } from '../relay/row-description-mapping.ts'
import { ANALYZED_ROWS } from './pulled.ts'
import { addPrimaryKey } from './pulled-table.ts'

/** A temporary table that the nodes get. */
export type NodeTable = {
  readonly name: string
  /** As CREATE TABLE takes them. */
  readonly columns: string
  /** Those that have values; undefined: all. */
  readonly wanted: readonly string[] | undefined
  /** undefined: a part's. */
  readonly rows: PulledRows | undefined
  /** Of the rows, in the wire's form. */
  readonly byteLength: number
  /** A table for each shard: `name` is what their names begin with. */
  readonly split?: DistributedTable
}

/** On all together; throws the first error when all have ended. */
export async function eachNode(
  nodeIds: readonly number[],
  context: StatementContext,
  work: (connection: BackendConnection) => Promise<void>,
): Promise<void> {
  const connections: BackendConnection[] = []
  for (const nodeId of nodeIds) connections.push(await context.connection(nodeId, 'read'))
  const results = await Promise.allSettled(connections.map(work))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

export async function createOn(
  connection: BackendConnection,
  { name, columns }: NodeTable,
): Promise<void> {
  await query(connection, `CREATE TEMPORARY TABLE ${name} (${columns}) ON COMMIT DROP`)
}

/** Once the rows are there. */
export async function finishOn(
  connection: BackendConnection,
  { name, rows }: NodeTable,
): Promise<void> {
  if (rows?.needsPrimaryKey === true) await addPrimaryKey(connection, { name }, rows)
}

/** From the coordinator's table to that of the same name on another node. */
export async function relayTo(
  nodeId: number,
  source: BackendConnection,
  { name }: NodeTable,
  context: StatementContext,
): Promise<void> {
  const connection = await context.connection(nodeId, 'read')
  if (connection === source) return
  const copy = `COPY ${name} FROM STDIN (FORMAT binary)`
  const count = await copyAcross(source, `* FROM ${name}`, connection, copy, context)
  await analyze(connection, name, [], count)
}

/** `columns`: none for all. */
export async function analyze(
  connection: BackendConnection,
  name: string,
  columns: readonly string[],
  rowCount: number,
): Promise<void> {
  if (rowCount < ANALYZED_ROWS) return
  const list = columns.map(quoteIdentifier).join(', ')
  await query(connection, `ANALYZE ${name}${list === '' ? '' : ` (${list})`}`)
}

/** Of a table that Postgres made of a query. undefined: some have types that other nodes may not have. */
export async function resultColumns(
  connection: BackendConnection,
  name: string,
): Promise<string | undefined> {
  const { rows } = await query(
    connection,
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid,
       CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname) END
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
       LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
     WHERE a.attrelid = ${quoteLiteral(name)}::pg_catalog.regclass AND a.attnum > 0 ORDER BY a.attnum`,
  )
  if (rows.some(([, , typeOid]) => isUserType(Number(typeOid)))) return undefined
  return rows
    .map(([column = '', type, , collation]) => {
      const collate = collation === undefined ? '' : ` COLLATE ${collation}`
      return `${quoteIdentifier(column)} ${type}${collate}`
    })
    .join(', ')
}
