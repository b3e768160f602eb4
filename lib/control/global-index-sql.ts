import { quoteLiteral, quoteQualified } from './shard-schema.ts'

/** A unique index without the distribution column, as its shell has it; names in expressions are qualified. */
export type GlobalIndexDescription = {
  readonly name: string
  /** All that the lookup is made from. */
  readonly signature: string
  /** As errors show the key. */
  readonly key: string
  readonly columns: readonly {
    readonly expression: string
    readonly typeName: string
    readonly collation: string | null
  }[]
  readonly predicate: string | null
  /** Why there can't be a lookup for it. */
  readonly refusal: string | null
}

/*
 * What keeps a global unique index, in the schema pgloom_unique. All of it belongs to who made the index.
 *
 *     on the coordinator    entries_N    the key of every row, under a unique index
 *                           apply_N()    takes keys out of it, then puts others in
 *     on nodes with shards  changes_N    what the transaction at hand did to keys and has not been applied yet:
 *                                        'd' taken out, 'i' put in, 't' all gone
 *                           capture_…_N  triggers of each shard, which fill it, whatever wrote to the shard
 *                           take_N()     a page of it; it is then gone
 *                           check_N()    a deferred trigger: nothing commits while anything is in it
 *
 * Keys travel as the text of a row of entries_N, in formats of our own.
 */

export const GLOBAL_INDEX_SCHEMA = 'pgloom_unique'
/** Keys a row of changes_N, and rows of it a page. */
const CHUNK_KEYS = 500
export const PAGE_CHUNKS = 32

const BODY = '$pgloom$'
const AS_DEFINER = `SECURITY DEFINER SET search_path = pg_catalog, pg_temp`
/** What a value's text depends on. */
const FORMATS = `SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C'`

function own(name: string, id: number): string {
  return `${GLOBAL_INDEX_SCHEMA}.${name}_${id}`
}

/** Its name in errors, and that of its columns' list. */
export function entriesIndexName(id: number): string {
  return `pgloom_unique_key_${id}`
}

export function entriesKey(width: number): string {
  return columnNames(width).join(', ')
}

function columnNames(width: number): string[] {
  return Array.from({ length: width }, (_, index) => `c${index + 1}`)
}

const SCHEMA_SQL = `DO ${BODY} BEGIN IF to_regnamespace('${GLOBAL_INDEX_SCHEMA}') IS NULL THEN
  CREATE SCHEMA ${GLOBAL_INDEX_SCHEMA}; GRANT USAGE, CREATE ON SCHEMA ${GLOBAL_INDEX_SCHEMA} TO PUBLIC; END IF; END ${BODY}`

/** For the coordinator. */
export function createEntriesSql(id: number, { columns, name }: GlobalIndexDescription): string[] {
  const names = columnNames(columns.length)
  const defined = columns.map(({ typeName, collation }, index) => {
    return `${names[index]} ${typeName}${collation === null ? '' : ` COLLATE ${collation}`}`
  })
  const entries = own('entries', id)
  const rowsOf = (list: string) =>
    `(SELECT u.entry::${entries} AS k FROM unnest(${list}) u(entry) OFFSET 0) d`
  const isSame = names.map((column) => `e.${column} = (d.k).${column}`).join(' AND ')
  const net = (list: string, without: string) =>
    `ARRAY(SELECT x.k::text FROM (SELECT d.k FROM ${rowsOf(list)} EXCEPT ALL SELECT d.k FROM ${rowsOf(without)}) x)`
  return [
    SCHEMA_SQL,
    `CREATE TABLE ${entries} (${defined.join(', ')})`,
    `CREATE UNIQUE INDEX ${entriesIndexName(id)} ON ${entries} (${names.join(', ')})`,
    `CREATE FUNCTION ${own('apply', id)}(clears boolean, removed text[], added text[]) RETURNS void
LANGUAGE plpgsql ${AS_DEFINER} ${FORMATS} AS ${BODY}
DECLARE
  taken_out bigint;
  removed_only text[] := removed;
  added_only text[] := added;
BEGIN
  PERFORM pgloom.require_global_index_writer(${id});
  IF clears THEN
    DELETE FROM ${entries};
  END IF;
  IF cardinality(removed) > 0 AND cardinality(added) > 0 THEN
    removed_only := ${net('removed', 'added')};
    added_only := ${net('added', 'removed')};
  END IF;
  IF cardinality(removed_only) > 0 THEN
    DELETE FROM ${entries} e USING ${rowsOf('removed_only')} WHERE ${isSame};
    GET DIAGNOSTICS taken_out = ROW_COUNT;
    IF taken_out <> cardinality(removed_only) THEN
      IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'could not serialize access due to concurrent update' USING ERRCODE = '40001';
      END IF;
      RAISE EXCEPTION 'global unique index % does not have the keys of all rows', ${quoteLiteral(JSON.stringify(name))}
        USING ERRCODE = 'XX002', HINT = 'Drop the index and create it again.';
    END IF;
  END IF;
  IF cardinality(added_only) > 0 THEN
    INSERT INTO ${entries} SELECT (d.k).* FROM ${rowsOf('added_only')} ORDER BY d.k;
  END IF;
END ${BODY}`,
    `GRANT EXECUTE ON FUNCTION ${own('apply', id)} TO PUBLIC`,
  ]
}

export function dropEntriesSql(id: number): string[] {
  return [
    `DROP FUNCTION IF EXISTS ${own('apply', id)}`,
    `DROP TABLE IF EXISTS ${own('entries', id)}`,
  ]
}

/** For each node with shards, before captureSql. */
export function createChangesSql(id: number, index: GlobalIndexDescription): string[] {
  const changes = own('changes', id)
  return [
    SCHEMA_SQL,
    `CREATE UNLOGGED TABLE ${changes} (transaction xid8 NOT NULL DEFAULT pg_current_xact_id(), op "char" NOT NULL, entries text[])`,
    `CREATE INDEX ON ${changes} (transaction)`,
    `CREATE FUNCTION ${own('take', id)}() RETURNS TABLE (op "char", entries text[]) LANGUAGE sql VOLATILE ${AS_DEFINER} AS ${BODY}
  WITH page AS MATERIALIZED (SELECT c.ctid FROM ${changes} c WHERE c.transaction = pg_current_xact_id_if_assigned()
    ORDER BY c.op LIMIT ${PAGE_CHUNKS}),
  taken AS (DELETE FROM ${changes} c USING page WHERE c.ctid = page.ctid RETURNING c.op, c.entries)
  SELECT t.op, t.entries FROM taken t ORDER BY t.op ${BODY}`,
    `GRANT EXECUTE ON FUNCTION ${own('take', id)} TO PUBLIC`,
    `CREATE FUNCTION ${own('check', id)}() RETURNS trigger LANGUAGE plpgsql ${AS_DEFINER} AS ${BODY}
BEGIN
  IF EXISTS (SELECT FROM ${changes} c WHERE c.transaction = NEW.transaction) THEN
    RAISE EXCEPTION 'rows were written without their keys in global unique index %', ${quoteLiteral(JSON.stringify(index.name))}
      USING ERRCODE = '40001', HINT = 'Retry the transaction. Write the table through the proxy, not inside functions or on a node.';
  END IF;
  RETURN NULL;
END ${BODY}`,
    `CREATE CONSTRAINT TRIGGER check_${id} AFTER INSERT ON ${changes} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${own('check', id)}()`,
    `ALTER TABLE ${changes} ENABLE ALWAYS TRIGGER check_${id}`,
    ...captureFunctionsSql(id, index),
  ]
}

function captureFunctionsSql(id: number, index: GlobalIndexDescription): string[] {
  const changes = own('changes', id)
  const keys = index.columns.map(({ expression }) => expression)
  const entry = `ROW(${keys.join(', ')})::text`
  const filled = [...keys.map((key) => `${key} IS NOT NULL`), ...predicateOf(index)].join(' AND ')
  const keysOf = (rows: string) => `SELECT ${entry} COLLATE "C" FROM ${rows} WHERE ${filled}`
  const put = (op: string, select: string) => `
  INSERT INTO ${changes} (op, entries) SELECT '${op}', array_agg(s.entry) FROM (
    SELECT x.entry, (row_number() OVER () - 1) / ${CHUNK_KEYS} AS chunk FROM (${select}) x(entry)) s
  GROUP BY s.chunk;`
  const [before, after] = [keysOf('pgloom_before'), keysOf('pgloom_after')]
  const bodies = {
    insert: put('i', after),
    delete: put('d', before),
    update: put('d', `${before} EXCEPT ALL ${after}`) + put('i', `${after} EXCEPT ALL ${before}`),
    truncate: `INSERT INTO ${changes} (op) VALUES ('t');`,
  }
  return Object.entries(bodies).map(
    ([kind, body]) => `CREATE FUNCTION ${own(`capture_${kind}`, id)}() RETURNS trigger
LANGUAGE plpgsql ${AS_DEFINER} ${FORMATS} AS ${BODY}
#variable_conflict use_column
BEGIN ${body}
  RETURN NULL;
END ${BODY}`,
  )
}

function predicateOf({ predicate }: GlobalIndexDescription): string[] {
  return predicate === null ? [] : [`(${predicate})`]
}

/** The triggers of one shard. */
export function captureSql(id: number, schema: string, table: string): string[] {
  const name = quoteQualified(schema, table)
  const trigger = (kind: string, event: string) => [
    `CREATE TRIGGER pgloom_unique_${id}_${kind} AFTER ${event} EXECUTE FUNCTION ${own(`capture_${kind}`, id)}()`,
    `ALTER TABLE ${name} ENABLE ALWAYS TRIGGER pgloom_unique_${id}_${kind}`,
  ]
  const each = 'FOR EACH STATEMENT'
  const [before, after] = ['OLD TABLE AS pgloom_before', 'NEW TABLE AS pgloom_after']
  return [
    ...trigger('insert', `INSERT ON ${name} REFERENCING ${after} ${each}`),
    ...trigger('delete', `DELETE ON ${name} REFERENCING ${before} ${each}`),
    ...trigger('update', `UPDATE ON ${name} REFERENCING ${before} ${after} ${each}`),
    ...trigger('truncate', `TRUNCATE ON ${name} ${each}`),
  ]
}

/** As if all rows of a shard had just come. */
export function captureAllSql(
  id: number,
  index: GlobalIndexDescription,
  schema: string,
  table: string,
): string {
  const keys = index.columns.map(({ expression }) => expression)
  const filled = [...keys.map((key) => `${key} IS NOT NULL`), ...predicateOf(index)].join(' AND ')
  return `INSERT INTO ${own('changes', id)} (op, entries) SELECT 'i', array_agg(s.entry) FROM (
  SELECT ROW(${keys.join(', ')})::text AS entry, (row_number() OVER () - 1) / ${CHUNK_KEYS} AS chunk
  FROM ${quoteQualified(schema, table)} WHERE ${filled}) s GROUP BY s.chunk`
}

/** With the triggers of the shards that there still are. */
export function dropChangesSql(id: number): string[] {
  const captures = ['insert', 'delete', 'truncate', 'update'].map((kind) => `capture_${kind}`)
  const functions = [...captures, 'take', 'check'].map((name) => `${own(name, id)}()`)
  return [
    // a table can't be dropped while deferred triggers wait, though they have nothing to say
    `DO ${BODY} BEGIN IF to_regclass('${own('changes', id)}') IS NOT NULL THEN SET CONSTRAINTS ${own('check', id)} IMMEDIATE; END IF; END ${BODY}`,
    `DROP FUNCTION IF EXISTS ${functions.join(', ')} CASCADE`,
    `DROP TABLE IF EXISTS ${own('changes', id)}`,
  ]
}
