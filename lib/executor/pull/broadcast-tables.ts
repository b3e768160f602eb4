import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { PulledRows } from '../../planner/plan.ts'
import { copyAcross } from '../copy/copy-across.ts'
import { query } from '../node-client.ts'
import type { StatementContext } from '../ports.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import { isUserType } from '../relay/row-description-mapping.ts'
import { ANALYZED_ROWS } from './pulled.ts'
import { addPrimaryKey } from './pulled-table.ts'

/** A temporary table of the coordinator's that the nodes get too. */
export type SentTable = {
  readonly name: string
  /** Columns that have values; undefined: all. */
  readonly wanted: readonly string[] | undefined
  /** undefined: a part's. */
  readonly rows: PulledRows | undefined
}

/** `name type`, as CREATE TABLE takes them. undefined: some have types that other nodes may not have. */
export async function sentColumns(
  connection: BackendConnection,
  { name }: SentTable,
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

/** Creates the table there too, with the same rows. */
export async function sendToNode(
  source: BackendConnection,
  { name, wanted, rows }: SentTable,
  columns: string,
  nodeId: number,
  context: StatementContext,
): Promise<void> {
  const connection = await context.connection(nodeId, 'read')
  if (connection === source) return
  await query(connection, `CREATE TEMPORARY TABLE ${name} (${columns}) ON COMMIT DROP`)
  const list = wanted?.map(quoteIdentifier).join(', ')
  const target = list === undefined ? name : `${name} (${list})`
  const copy = `COPY ${target} FROM STDIN (FORMAT binary)`
  const count = await copyAcross(source, `${list ?? '*'} FROM ${name}`, connection, copy, context)
  if (rows?.needsPrimaryKey === true) await addPrimaryKey(connection, { name }, rows)
  if (count >= ANALYZED_ROWS) await query(connection, `ANALYZE ${name}`)
}
