import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { ClusterTable } from '../../../catalog/catalog.ts'
import { query } from '../../node-client.ts'
import type { Alias } from '../../relay/error-rewriting.ts'
import { SCRATCH_SCHEMA, scratchName } from '../scratch-table.ts'

/** Of a user's table: what its rows may meet others in. */
export type UniqueIndex = {
  readonly name: string
  /** `USING btree (…) …` */
  readonly definition: string
  /** Columns, quoted, or expressions. */
  readonly keys: readonly string[]
  /** Those of the keys that are columns. */
  readonly columns: readonly string[]
  /** Of the constraint that it belongs to. */
  readonly constraint: string | undefined
}

/** Deferrable ones can't be meant by ON CONFLICT; they are checked where the rows go. */
export async function uniqueIndexes(
  coordinator: BackendConnection,
  { oid, name }: ClusterTable,
): Promise<readonly UniqueIndex[]> {
  const { rows } = await query(
    coordinator,
    `SELECT c.relname, k.conname, i.indisexclusion, pg_catalog.pg_get_indexdef(c.oid),
       pg_catalog.format('CREATE UNIQUE INDEX %I ON %I.%I ', c.relname, n.nspname, t.relname),
       (SELECT pg_catalog.json_agg(pg_catalog.pg_get_indexdef(c.oid, g, true) ORDER BY g)
        FROM pg_catalog.generate_series(1, i.indnkeyatts) AS g),
       (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
     FROM pg_catalog.pg_index i
       JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
       JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
       LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
     WHERE i.indrelid = ${oid} AND i.indisvalid AND (i.indisexclusion OR i.indisunique AND i.indimmediate)
     ORDER BY c.oid`,
  )
  return rows.map((row) => {
    const [index = '', constraint, isExclusion, whole = '', head = '', keys = '[]', columns] = row
    if (isExclusion === 't' || !whole.startsWith(head)) throw unknownConflicts(name, index)
    return {
      name: index,
      constraint,
      definition: whole.slice(head.length),
      keys: JSON.parse(keys),
      columns: JSON.parse(columns ?? '[]'),
    }
  })
}

function unknownConflicts(table: string, index: string): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `ON CONFLICT of "${table}" is not supported here beside exclusion constraint "${index}"`,
    { hint: 'Write the rows of one shard only, without subqueries in ON CONFLICT and WITH.' },
  )
}

/** On a mirror's rows, so that those of the statement meet them. The client reads the names of its own. */
export async function copyIndexes(
  coordinator: BackendConnection,
  { schema }: ClusterTable,
  indexes: readonly UniqueIndex[],
  rows: string,
): Promise<readonly Alias[]> {
  const aliases: Alias[] = []
  for (const { name: shownName, definition } of indexes) {
    const name = scratchName()
    await query(coordinator, `CREATE UNIQUE INDEX ${name} ON ${rows} ${definition}`)
    aliases.push({ schema: SCRATCH_SCHEMA, name, shownSchema: schema, shownName })
  }
  return aliases
}

/** Rows of one shard only can meet in it. */
export function isWithinShard({ columns }: UniqueIndex, table: ClusterTable): boolean {
  return table.kind === 'reference' || columns.includes(table.distributionColumn.name)
}

/** Rows that may meet some of `known` in one of the indexes: others than that don't matter. */
export function mayMeet(indexes: readonly UniqueIndex[], known: string): string {
  const meets = indexes.map(({ keys }) => {
    const list = keys.join(', ')
    return `(${list}) IN (SELECT ${list} FROM ${known})`
  })
  return meets.length === 0 ? 'false' : meets.join(' OR ')
}
