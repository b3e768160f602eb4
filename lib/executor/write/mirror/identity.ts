import type { ClusterTable } from '../../../catalog/catalog.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'

/** Of a mirrored row: which shard it is from, 0 for a reference table. */
export const SHARD_COLUMN = 'pgloom_shard'

/** A column of the mirror that tells rows of one shard, or of a copy of a reference table, from each other. */
export type IdentityColumn = {
  readonly name: string
  readonly type: string
  /** What it is of the row itself, quoted. */
  readonly of: string
}

const IMAGE = 'pgloom_image'
const NUMBER = 'pgloom_number'

/**
 * A locked row keeps its ctid; copies of a reference table have others, but the same primary key. Without one a row is told by its
 * image, and equal rows by numbers: which of them is which doesn't matter.
 */
export function identityOf(table: ClusterTable): readonly IdentityColumn[] {
  if (table.kind === 'distributed') return [{ name: 'pgloom_ctid', type: 'tid', of: 'ctid' }]
  if (isKeyless(table)) {
    const image = imageOf(table)
    const number = `pg_catalog.row_number() OVER (PARTITION BY ${image})`
    return [
      { name: IMAGE, type: 'pg_catalog.bytea', of: image },
      { name: NUMBER, type: 'pg_catalog.int8', of: number },
    ]
  }
  return table.primaryKey.map((key, index) => {
    const column = table.columns.find(({ name }) => name === key)
    const collate = column?.collation === undefined ? '' : ` COLLATE ${column.collation}`
    const type = `${column?.typeName}${collate}`
    return { name: `pgloom_key_${index + 1}`, type, of: quoteIdentifier(key) }
  })
}

/** `a` and `b`: aliases of the row itself and of what is known of it. */
export function sameRow(identity: readonly IdentityColumn[], a: string, b: string): string {
  return identity.map(({ name, of }) => `${a}.${of} = ${b}.${name}`).join(' AND ')
}

export function isKeyless({ kind, primaryKey }: ClusterTable): boolean {
  return kind === 'reference' && primaryKey.length === 0
}

/** The same on all nodes: types of users, whose OIDs differ, are refused by the planner. */
function imageOf({ columns }: ClusterTable): string {
  const given = columns.filter(({ isGenerated }) => !isGenerated)
  return `pg_catalog.record_send(ROW(${given.map(({ name }) => quoteIdentifier(name)).join(', ')}))`
}

/**
 * Of a table without a key: for each of the rows known of, as many rows with its image as there are of these, and their places.
 * `known`: a FROM item with what `where` is about. A query of `pgloom_place` and the known rows' columns.
 */
export function placedRows(
  table: ClusterTable,
  name: string,
  known: string,
  where: string,
): string {
  const number = (image: string) =>
    `pg_catalog.row_number() OVER (PARTITION BY ${image}) AS pgloom_nth`
  const image = imageOf(table)
  return `SELECT p.pgloom_place, k.* FROM
    (SELECT ctid AS pgloom_place, ${image} AS pgloom_same, ${number(image)} FROM ${name}) AS p
    JOIN (SELECT n.*, ${number(`n.${IMAGE}`)} FROM ${known} AS n WHERE ${where}) AS k
    ON p.pgloom_same = k.${IMAGE} AND p.pgloom_nth = k.pgloom_nth`
}
