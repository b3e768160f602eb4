import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { ClusterTable } from '../../../catalog/catalog.ts'
import { query } from '../../node-client.ts'
import type { Alias } from '../../relay/error-rewriting.ts'
import { quoteIdentifier, quoteLiteral } from '../../relay/quoted-schema.ts'
import { SCRATCH_SCHEMA, scratchName, scratchQualified } from '../scratch-table.ts'
import { allColumns } from './proposed-rows.ts'
import { copyIndexes, type UniqueIndex } from './unique-indexes.ts'

/**
 * Over a mirror's rows with their indexes. Rows are inserted among those that were there, which they may meet; the statement
 * doesn't see what tells these apart.
 */
export type MirrorView = {
  readonly qualifiedName: string
  readonly oid: number
  readonly indexes: readonly UniqueIndex[]
  readonly aliases: readonly Alias[]
}

export async function createView(
  coordinator: BackendConnection,
  table: ClusterTable,
  rows: string,
  indexes: readonly UniqueIndex[],
): Promise<MirrorView> {
  const name = scratchName()
  const qualifiedName = scratchQualified(name)
  const indexAliases = await copyIndexes(coordinator, table, indexes, rows)
  await query(
    coordinator,
    `CREATE VIEW ${qualifiedName} AS SELECT ${allColumns(table)} FROM ${rows}`,
  )
  await copyDefaults(coordinator, table, rows, qualifiedName)
  const asked = await query(coordinator, `SELECT ${quoteLiteral(qualifiedName)}::regclass::oid`)
  const { schema: shownSchema, name: shownName } = table
  const own = { schema: SCRATCH_SCHEMA, name, shownSchema, shownName }
  const oid = Number(asked.rows[0]?.[0])
  return { qualifiedName, oid, indexes, aliases: [own, ...indexAliases] }
}

/** SET c = DEFAULT asks the view. */
async function copyDefaults(
  coordinator: BackendConnection,
  { columns }: ClusterTable,
  rows: string,
  view: string,
): Promise<void> {
  if (!columns.some(({ hasDefault, isGenerated }) => hasDefault && !isGenerated)) return
  const { rows: defaults } = await query(
    coordinator,
    `SELECT a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
     FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.adrelid = ${quoteLiteral(rows)}::regclass AND a.attgenerated = ''`,
  )
  for (const [column = '', expression = ''] of defaults) {
    const alter = `ALTER VIEW ${view} ALTER COLUMN ${quoteIdentifier(column)}`
    await query(coordinator, `${alter} SET DEFAULT ${expression}`)
  }
}
