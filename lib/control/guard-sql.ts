/**
 * What every node needs, coordinator included: the functions behind the guards of shells and reference tables.
 * Idempotent. `guard_row` lies about being IMMUTABLE on purpose: only then is it folded, and so raises, while
 * planning; a stable one would never run on an empty shell and silently give no rows.
 *
 * Statement triggers also fire for the cascades of foreign keys, which reach an empty shell harmlessly:
 * there the depth is above 1, and row security has no exception that a function body could use.
 */
export const NODE_SQL = `
CREATE SCHEMA IF NOT EXISTS pgloom;
GRANT USAGE ON SCHEMA pgloom TO PUBLIC;

CREATE OR REPLACE FUNCTION pgloom.guard_row() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RAISE EXCEPTION 'distributed table accessed directly on a node' USING ERRCODE = '0A000',
    HINT = 'Read and write distributed tables through the proxy, not inside functions or views on a node.';
END $$;

CREATE OR REPLACE FUNCTION pgloom.guard_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() > 1 AND TG_OP <> 'TRUNCATE' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'distributed table "%" accessed directly on a node', TG_TABLE_NAME
    USING ERRCODE = '0A000',
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

/** Statements that guard a shell; `table` is its qualified, quoted name. */
export function guardShellSql(table: string): string[] {
  return [
    `CREATE POLICY pgloom_guard ON ${table} USING (pgloom.guard_row()) WITH CHECK (pgloom.guard_row())`,
    `CREATE POLICY pgloom_guard_restrictive ON ${table} AS RESTRICTIVE USING (pgloom.guard_row()) WITH CHECK (pgloom.guard_row())`,
    `CREATE TRIGGER pgloom_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION pgloom.guard_statement()`,
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
  ]
}

export function unguardShellSql(table: string): string[] {
  return [
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
