import type { BackendConnection } from '../../backend/backend-connection.ts'
import { BackendLost } from '../../base/errors.ts'
import type { PinReason } from '../../planner/plan.ts'
import { query } from '../node-client.ts'

/** What a server session holds that no other connection has. */
export type HeldState = {
  readonly reasons: readonly PinReason[]
  /** Of tables, views and sequences. */
  readonly temporaryNames: readonly string[]
  /** Settings that were asked for and are set: name -> value as SHOW gives it. */
  readonly settings: ReadonlyMap<string, string>
}

/** What to ask besides what is always asked. */
export type HeldQuestion = {
  /** Settings that may have been set. */
  readonly settings: ReadonlySet<string>
  /** Code of the user's has run: it may have set whatever the functions of this database set. */
  readonly hasRunCode: boolean
  /** What was run as text may have set anything. */
  readonly mayHaveSet: boolean
  /** Settings that the connection held before, in lower case: what has run may have reset them. */
  readonly heldSettings: Iterable<string>
}

/** Objects of the temporary schema depend on it; once made, the schema itself stays as long as the server session. */
const HELD_COLUMNS = `
  CASE WHEN pg_catalog.pg_my_temp_schema() <> 0 THEN (
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend
    WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
      AND refobjid = pg_catalog.pg_my_temp_schema()) ELSE 0 END,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE is_holdable),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql),
  CASE WHEN pg_catalog.pg_my_temp_schema() <> 0 THEN (
    SELECT pg_catalog.json_agg(relname) FROM pg_catalog.pg_class
    WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relkind NOT IN ('i', 'I', 'c')) END`

/**
 * Settings with a prefix are in no view: of those that code sets, the names are found in its text. Functions that set
 * what can't be read there are counted: the session then keeps its connection.
 */
const SETTINGS_SQL = String.raw`WITH code AS MATERIALIZED (
    SELECT prosrc FROM (
      SELECT CASE WHEN prosqlbody IS NULL THEN prosrc ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT LIKE 'pgloom%'
      WHERE $2::bool AND p.oid >= 16384
    ) AS bodies (prosrc)
    WHERE prosrc ~* '\mset_config\s*\(|(^|[;''"]|\m(begin|then|else|loop))\s*(set|reset)\s'
  ), custom AS (
    SELECT pg_catalog.unnest($1::text[]) AS name
    UNION SELECT m[1]
      FROM code, pg_catalog.regexp_matches(prosrc, 'set_config\s*\(\s*''([^'']+)''', 'gi') m
    UNION SELECT pg_catalog.lower(m[1]) FROM code,
      pg_catalog.regexp_matches(prosrc, '\mset\s+(?:session\s+|local\s+)?([a-z_]\w*\.[\w.]+)', 'gi') m
    UNION SELECT pg_catalog.unnest($4::text[]) WHERE $3::bool OR EXISTS (SELECT FROM code)
  ), found AS (
    SELECT name, pg_catalog.current_setting(name, true) AS value FROM custom
    WHERE pg_catalog.strpos(name, '.') > 0
    UNION SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
    WHERE (pg_catalog.cardinality($1::text[]) > 0 OR $3::bool OR EXISTS (SELECT FROM code))
      AND name NOT LIKE 'transaction\_%'
      AND CASE WHEN $3::bool OR EXISTS (SELECT FROM code)
        THEN source = 'session' OR pg_catalog.lower(name) = ANY ($4::text[])
        ELSE source = 'session' AND pg_catalog.lower(name) = ANY ($1::text[]) END
    UNION SELECT 'role', pg_catalog.current_setting('role') WHERE $3::bool OR EXISTS (SELECT FROM code)
  ) SELECT ${HELD_COLUMNS},
  (SELECT pg_catalog.count(*) FROM code
    WHERE prosrc ~* 'set_config\s*\(\s*[^''\s]|''\s*(set|reset)\s+(session\s+|local\s+)?(%|'')'),
  (SELECT pg_catalog.json_object_agg(name, value) FROM found WHERE value IS NOT NULL)`

/** In the order of the columns; temporary names stand in between. */
const REASONS: readonly (PinReason | undefined)[] = [
  'temporary table',
  'advisory lock',
  'cursor with hold',
  'listen',
  'prepared statement',
  undefined,
  'session setting',
]
const NAMES_COLUMN = REASONS.indexOf(undefined)
const SETTINGS_COLUMN = REASONS.length

/**
 * Asks the server. Inside a transaction its own locks and cursors count too. One that doesn't answer is given up: whoever waits to
 * go on with this session would wait for ever.
 */
export async function heldState(
  connection: BackendConnection,
  question: HeldQuestion,
): Promise<HeldState> {
  const timer = setTimeout(() => {
    connection.close(new BackendLost('the server does not answer', true))
  }, connection.questionTimeoutMs)
  const row = await ask(connection, question).finally(() => clearTimeout(timer))
  return {
    reasons: REASONS.flatMap((reason, index) => {
      return reason === undefined || (row[index] ?? '0') === '0' ? [] : [reason]
    }),
    temporaryNames: JSON.parse(row[NAMES_COLUMN] ?? '[]') as string[],
    settings: new Map(Object.entries(JSON.parse(row[SETTINGS_COLUMN] ?? '{}'))),
  }
}

async function ask(
  connection: BackendConnection,
  { settings, hasRunCode, mayHaveSet, heldSettings }: HeldQuestion,
) {
  const isPlain = settings.size === 0 && !hasRunCode && !mayHaveSet
  const { rows } = isPlain
    ? await query(connection, `SELECT ${HELD_COLUMNS}`)
    : await query(connection, SETTINGS_SQL, [
        arrayText(settings),
        String(hasRunCode),
        String(mayHaveSet),
        arrayText(heldSettings),
      ])
  return rows[0] ?? []
}

function arrayText(names: Iterable<string>): string {
  return `{${[...names].map(arrayElement).join()}}`
}

function arrayElement(name: string): string {
  return `"${name.toLowerCase().replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
