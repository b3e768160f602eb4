import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { DistributedTable } from '../../../catalog/catalog.ts'
import { interruptible } from '../../interruptible.ts'
import { query } from '../../node-client.ts'
import type { StatementContext } from '../../ports.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'

/** Encodings in which bytes below 128 are always ASCII, by the names that Postgres knows them by, without - and _. */
const ASCII_SAFE = /^(?:LATIN\d+|L\d+|ISO8859\d+|WIN\d+|WINDOWS\d+|KOI8(?:R|U)?|EUC.+)$/
const UTF8 = /^(?:UTF8|UNICODE|SQLASCII)$/

/** How the bytes of keys are to be taken; undefined: the rows can't even be told from one another. */
export function encodingOf(name: string): 'server' | 'ascii-safe' | undefined {
  const plain = name.toUpperCase().replaceAll(/[-_ ]/g, '')
  if (UTF8.test(plain)) return 'server'
  return ASCII_SAFE.test(plain) ? 'ascii-safe' : undefined
}

/**
 * Whether shards may evaluate what the client leaves out, and take their rows in any number of COPYs. Not with defaults that
 * must be equal in all rows of a statement (now() and its kin), nor with foreign keys from the table to itself, which
 * Postgres checks at the end of each COPY.
 */
export async function maySplit(
  connection: BackendConnection,
  table: DistributedTable,
  columns: readonly string[],
  { signal }: StatementContext,
): Promise<boolean> {
  const [shard] = table.shards
  if (shard === undefined || connection.parameters.get('server_encoding') !== 'UTF8') return false
  const name = `${quoteIdentifier(shard.schema)}.${quoteIdentifier(table.name)}`
  const given = `{${columns.map(arrayElement).join(',')}}`
  const asking = query(connection, SPLIT_SQL, [name, given])
  const { rows } = await interruptible(connection, signal, asking)
  return rows[0]?.[0] === 't'
}

function arrayElement(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

/** pg_node_tree names functions by OID. What hides functions of unknown volatility counts as unsafe. */
const SPLIT_SQL = `
SELECT NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conrelid = confrelid AND conrelid = pg_catalog.to_regclass($1))
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attrdef d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = pg_catalog.to_regclass($1) AND a.attgenerated = '' AND a.attname <> ALL ($2::pg_catalog.name[])
      AND (d.adbin::pg_catalog.text ~ '\\{(SQLVALUEFUNCTION|COERCEVIAIO|XMLEXPR|ROWCOMPARE|MINMAXEXPR|JSON)'
        OR EXISTS (
          SELECT FROM pg_catalog.regexp_matches(d.adbin::pg_catalog.text, ':(?:op)?funcid ([0-9]+)', 'g') AS f(found)
          JOIN pg_catalog.pg_proc p ON p.oid = f.found[1]::pg_catalog.oid
          WHERE p.provolatile <> 'i'
            AND (p.oid >= 16384 OR p.proname NOT IN ('nextval', 'random', 'gen_random_uuid', 'clock_timestamp', 'uuidv4', 'uuidv7')))))
`
