import { createHash } from 'node:crypto'

/**
 * What every node needs, coordinator included: the functions behind the guards of shells and reference tables.
 * Idempotent. `guard_row` lies about being IMMUTABLE on purpose: only then is it folded, and so raises, while
 * planning; a stable one would never run on an empty shell and silently give no rows.
 *
 * Statement triggers also fire for the cascades of foreign keys, which reach an empty shell harmlessly:
 * there the depth is above 1, and row security has no exception that a function body could use. An INSERT never is one.
 *
 * Row security stops neither superusers nor roles with BYPASSRLS. `guard_plan` stops everybody: it is the expression of
 * extended statistics on the shell, which Postgres folds, and so calls, whenever it plans a statement that reads the table,
 * be it in a function, in a view or under a cursor. Postgres itself must go on: the queries of foreign keys that look from
 * the referenced row for referring ones, the validation of new foreign keys, and DDL, which plans the building of indexes.
 */
export const NODE_SQL = `
CREATE SCHEMA IF NOT EXISTS pgloom;
GRANT USAGE ON SCHEMA pgloom TO PUBLIC;
CREATE SCHEMA IF NOT EXISTS pgloom_guards;
GRANT USAGE, CREATE ON SCHEMA pgloom_guards TO PUBLIC;

CREATE OR REPLACE FUNCTION pgloom.guard_row() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RAISE EXCEPTION 'distributed table accessed directly on a node' USING ERRCODE = '0A000',
    HINT = 'Read and write distributed tables through the proxy, not inside functions or views on a node.';
END $$;

CREATE OR REPLACE FUNCTION pgloom.guard_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() > 1 AND TG_OP IN ('UPDATE', 'DELETE') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'distributed table "%" accessed directly on a node', TG_TABLE_NAME
    USING ERRCODE = '0A000',
    HINT = 'Read and write distributed tables through the proxy, not inside functions or views on a node.';
END $$;

CREATE OR REPLACE FUNCTION pgloom.guard_plan(table_name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  context text;
  caller text;
  referrer text;
  is_filled boolean;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  caller := split_part(context, E'\\n', 2);
  IF caller = '' AND current_query() ~* '(^|;|\\*/|\\n)\\s*(analyze|vacuum|reindex|cluster|alter\\s+table|create\\s+(unique\\s+)?index)\\M'
      AND current_query() !~* '\\mselect\\M'
    OR caller ~ '(SELECT 1 FROM|DELETE FROM|UPDATE) ONLY ".* WHERE [$][0-9]+[^ ]* OPERATOR[(]' THEN
    RETURN true;
  END IF;
  referrer := substring(caller FROM 'SELECT fk[.]".* FROM (?:ONLY )?(".*") fk LEFT OUTER JOIN (?:ONLY )?".*" pk ON ');
  IF EXISTS (SELECT FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
      WHERE n.nspname = 'pgloom_guards' AND s.stxrelid = to_regclass(referrer)) THEN
    RETURN true;
  END IF;
  IF referrer IS NOT NULL THEN
    EXECUTE 'SELECT EXISTS (SELECT FROM ' || referrer || ')' INTO is_filled;
    IF NOT is_filled THEN
      RETURN true;
    END IF;
  END IF;
  RAISE EXCEPTION 'distributed table "%" accessed directly on a node', table_name USING ERRCODE = '0A000',
    HINT = 'Read and write distributed tables through the proxy, not inside functions or views on a node.';
END $$;

CREATE OR REPLACE FUNCTION pgloom.guard_reference() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  written_nodes text := coalesce(current_setting('pgloom.reference_write', true), '');
BEGIN
  IF written_nodes !~ '^[0-9]+$' THEN
    RAISE EXCEPTION 'reference table "%" written directly on a node', TG_TABLE_NAME
      USING ERRCODE = '0A000',
      HINT = 'Write reference tables through the proxy, not inside functions on a node.';
  END IF;
  IF TG_ARGV[0] <> '0' AND TG_ARGV[0] <> written_nodes THEN
    RAISE EXCEPTION 'could not write all copies of reference table "%": nodes were added or removed meanwhile', TG_TABLE_NAME
      USING ERRCODE = '40001', HINT = 'Retry the transaction.';
  END IF;
  RETURN NULL;
END $$;
`

/** One name for each shell, in a schema of our own where every owner may create. */
function guardName(table: string): string {
  return `pgloom_guards.g${createHash('md5').update(table).digest('hex')}`
}

/** What shells of earlier versions lack, where the metadata's owner may add it. */
export const GUARD_PLANS_SQL = `
DO $pgloom$
DECLARE
  shell record;
BEGIN
  FOR shell IN
    SELECT c.relname, format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) AS quoted
    FROM pgloom.pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.partmethod = 'h' AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    EXECUTE format('CREATE STATISTICS IF NOT EXISTS pgloom_guards.%I ON (pgloom.guard_plan(%L)) FROM %s',
      'g' || md5(shell.quoted), shell.relname, shell.quoted);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER pgloom_guard', shell.quoted);
  END LOOP;
END
$pgloom$;
`

/** The last of its quoted names, as a string. */
function nameLiteral(table: string): string {
  const [, name = ''] = /\."((?:[^"]|"")*)"$/.exec(table) ?? []
  return `'${name.replaceAll('""', '"').replaceAll("'", "''")}'`
}

/** Statements that guard a shell; `table` is its qualified, quoted name. */
export function guardShellSql(table: string): string[] {
  return [
    `CREATE POLICY pgloom_guard ON ${table} USING (pgloom.guard_row()) WITH CHECK (pgloom.guard_row())`,
    `CREATE POLICY pgloom_guard_restrictive ON ${table} AS RESTRICTIVE USING (pgloom.guard_row()) WITH CHECK (pgloom.guard_row())`,
    `CREATE TRIGGER pgloom_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION pgloom.guard_statement()`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER pgloom_guard`,
    `CREATE STATISTICS ${guardName(table)} ON (pgloom.guard_plan(${nameLiteral(table)})) FROM ${table}`,
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
  ]
}

export function unguardShellSql(table: string): string[] {
  return [
    `DROP STATISTICS IF EXISTS ${guardName(table)}`,
    `DROP TRIGGER pgloom_guard ON ${table}`,
    `DROP POLICY pgloom_guard ON ${table}`,
    `DROP POLICY pgloom_guard_restrictive ON ${table}`,
    `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`,
  ]
}

/**
 * Around DDL that reads the (empty) shell, such as the validation of a foreign key. The ACCESS EXCLUSIVE lock of the
 * first keeps everyone out until the transaction ends, by when the second has run.
 */
export function suspendGuardSql(table: string): string {
  return `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`
}

export function resumeGuardSql(table: string): string {
  return `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`
}

/**
 * A write must say to how many nodes it goes (`pgloom.reference_write`), and on the coordinator, where each starts, that must be
 * all there are: a proxy that has not heard of a new node would else leave its copy behind, unnoticed. The number is
 * the trigger's argument, because it is read under the table's lock, and not by an old snapshot of the transaction.
 * `nodeCount` 0: any number (on workers).
 */
export function guardReferenceSql(table: string, nodeCount: number): string[] {
  return [
    `CREATE OR REPLACE TRIGGER pgloom_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION pgloom.guard_reference('${nodeCount}')`,
  ]
}

export function unguardReferenceSql(table: string): string[] {
  return [`DROP TRIGGER pgloom_guard ON ${table}`]
}
