import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { activeNodes, type CommandRun } from './command-run.ts'
import { quoteIdentifier, quoteLiteral, quoteQualified } from './shard-schema.ts'

/** Text forms must be the same on all nodes, whatever the session's DateStyle. */
const ADDED_SQL = `SELECT attname, pg_catalog.format_type(atttypid, atttypmod), atthasmissing,
    (attmissingval::text::text[])[1], atthasdef AND attgenerated = '' AND attidentity = '',
    pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE attrelid = $1::pg_catalog.regclass AND attnum > $2 AND NOT attisdropped ORDER BY attnum`

/** What a node computes at the beginning of its own transaction. */
const OF_THE_TRANSACTION =
  /\bnow\(\)|\b(?:transaction|statement)_timestamp\(\)|\bCURRENT_|\bLOCALTIME|'now'|'today'|'tomorrow'|'yesterday'/i

type AddedColumn = {
  readonly name: string
  readonly type: string
  /** Old rows have one value, computed by ALTER TABLE; undefined: NULL, or each row has its own. */
  readonly value: string | undefined
  readonly isEach: boolean
  readonly expression: string
}

/** By the table's OID: the number of the last column it has had. */
export async function lastColumns(
  { coordinator }: CommandRun,
  tables: readonly ClusterTable[],
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>()
  for (const { oid } of tables) {
    const { rows } = await query(
      coordinator,
      'SELECT pg_catalog.max(attnum) FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid',
      [String(oid)],
    )
    found.set(oid, rows[0]?.[0] ?? '0')
  }
  return found
}

/**
 * After ADD COLUMN … DEFAULT now() each node has put its own time into the old rows: they get the coordinator's. What is
 * computed for each row anew would differ between the copies of a reference table.
 */
export async function evenOutDefaults(
  run: CommandRun,
  catalog: Catalog,
  tables: readonly ClusterTable[],
  last: ReadonlyMap<number, string>,
): Promise<void> {
  for (const table of tables) {
    const after = last.get(table.oid) ?? '0'
    const own = quoteQualified(table.schema, table.name)
    const wanted = await addedColumns(run.coordinator, own, after)
    for (const column of wanted) refuseUneven(table, column)
    if (!wanted.some(({ value }) => value !== undefined)) continue
    await run.onEach(activeNodes(catalog), async (connection, { nodeId }) => {
      const schemas =
        table.kind === 'reference'
          ? [table.schema]
          : table.shards.filter((shard) => shard.nodeId === nodeId).map(({ schema }) => schema)
      for (const schema of schemas) {
        await evenOut(connection, quoteQualified(schema, table.name), wanted)
      }
    })
  }
}

async function evenOut(
  connection: BackendConnection,
  table: string,
  wanted: readonly AddedColumn[],
): Promise<void> {
  const found = await addedColumns(connection, table, '0')
  const changes = wanted.flatMap(({ name, type, value }) => {
    const own = found.find((column) => column.name === name)
    if (value === undefined || own === undefined || own.value === value) return []
    const column = quoteIdentifier(name)
    return [`ALTER COLUMN ${column} TYPE ${type} USING ${quoteLiteral(value)}::${type}`]
  })
  if (changes.length > 0) await query(connection, `ALTER TABLE ${table} ${changes.join(', ')}`)
}

function refuseUneven(table: ClusterTable, { name, isEach, expression }: AddedColumn): void {
  if (!isEach) return
  if (table.kind === 'distributed' && !OF_THE_TRANSACTION.test(expression)) return
  throw new RouterError(
    SqlState.featureNotSupported,
    `the default of column "${name}" would give the rows of "${table.name}" other values on each node`,
    {
      hint: 'Add the column without a default in a statement of its own, fill it with UPDATE, then use ALTER COLUMN … SET DEFAULT.',
    },
  )
}

async function addedColumns(
  connection: BackendConnection,
  table: string,
  after: string,
): Promise<readonly AddedColumn[]> {
  const { rows } = await query(connection, ADDED_SQL, [table, after])
  return rows.map(([name = '', type = '', hasMissing, value, hasDefault, expression = '']) => ({
    name,
    type,
    value: hasMissing === 't' ? value : undefined,
    isEach: hasDefault === 't' && hasMissing === 'f' && !/^NULL\b/i.test(expression),
    expression,
  }))
}
