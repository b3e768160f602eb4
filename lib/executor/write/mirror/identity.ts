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

/** A locked row keeps its ctid; copies of a reference table have others, but the same primary key. */
export function identityOf(table: ClusterTable): readonly IdentityColumn[] {
  if (table.kind === 'distributed') return [{ name: 'pgloom_ctid', type: 'tid', of: 'ctid' }]
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
