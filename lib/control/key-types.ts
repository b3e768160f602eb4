import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import { TYPE_DEPENDENCIES } from './type-description.ts'

/** `seeds` (a query for OIDs) and all types that they are made of, Postgres' own among them. */
function partsOf(seeds: string): string {
  return `WITH RECURSIVE part(oid) AS (${seeds}
    UNION SELECT d.oid FROM part JOIN pg_catalog.pg_type t ON t.oid = part.oid CROSS JOIN LATERAL (${TYPE_DEPENDENCIES}) d)`
}

const HAS_HASH = `EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'
  WHERE o.opcdefault AND (o.opcintype = t.oid OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid
    AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i')))`

/** Names of objects mean other OIDs on other nodes; a range may call two bounds equal that do not hash alike. */
const IS_UNSOUND = `(n.nspname = 'pg_catalog' AND t.typname ~ '^reg') OR t.typtype = 'p' OR EXISTS (
  SELECT FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc WHERE r.rngtypid = t.oid AND NOT o.opcdefault)`

/** Whether hash_record() can hash the type's values, and equal ones alike. */
export async function isHashable(connection: BackendConnection, typeOid: number): Promise<boolean> {
  const { rows } = await query(
    connection,
    `${partsOf('SELECT $1::int8::oid')}
     SELECT pg_catalog.bool_and((t.typtype <> 'b' OR t.typcategory = 'A' OR ${HAS_HASH}) AND NOT (${IS_UNSOUND}))
     FROM part JOIN pg_catalog.pg_type t ON t.oid = part.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace`,
    [String(typeOid)],
  )
  return rows[0]?.[0] === 't'
}

const KEY_TYPES = `SELECT a.atttypid FROM pgloom.pg_dist_partition p JOIN pg_catalog.pg_attribute a ON a.attrelid = p.logicalrelid
  AND a.attnum = pg_catalog.substring(p.partkey, ':varattno (\\d+)')::int`

/**
 * Rows stay in their shards, so what a key hashes to must not change: a field more changes it, and a value's name given to
 * another would send proxies that do not know of it yet elsewhere.
 */
export async function refuseNewHashes(
  coordinator: BackendConnection,
  { schema, name }: { readonly schema: string; readonly name: string },
): Promise<void> {
  const { rows } = await query(
    coordinator,
    `${partsOf(KEY_TYPES)} SELECT true FROM part JOIN pg_catalog.pg_type t ON t.oid = part.oid
     JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2`,
    [schema, name],
  )
  if (rows.length === 0) return
  throw new RouterError(
    SqlState.featureNotSupported,
    `cannot change the values of type ${schema}.${name}: a distribution column is made of it`,
    { hint: 'Undistribute the table first, or add a value under a new name.' },
  )
}
