/**
 * Global unique indexes on the coordinator: which there are. They go with their table's registration. `signature` is all that its
 * lookup was made from; once the index on the shell has another, the lookup is made anew.
 */
export const GLOBAL_INDEX_METADATA_SQL = `
CREATE SEQUENCE pgloom.global_index_id_seq;
CREATE TABLE pgloom.pg_dist_global_index (
  indexid bigint PRIMARY KEY,
  logicalrelid regclass NOT NULL REFERENCES pgloom.pg_dist_partition ON DELETE CASCADE,
  indexname name NOT NULL,
  indexkey text NOT NULL,
  signature text NOT NULL,
  UNIQUE (logicalrelid, indexname)
);
GRANT SELECT ON pgloom.pg_dist_global_index TO PUBLIC;
CREATE TRIGGER metadata_changed AFTER INSERT OR UPDATE OR DELETE ON pgloom.pg_dist_global_index
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.metadata_changed();

CREATE FUNCTION pgloom.register_global_index(relation regclass, index_name name, index_key text, signature text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id bigint := nextval('pgloom.global_index_id_seq');
BEGIN
  PERFORM pgloom.require_table_owner(relation);
  INSERT INTO pgloom.pg_dist_global_index VALUES (id, relation, index_name, index_key, signature);
  RETURN id;
END $$;

CREATE FUNCTION pgloom.unregister_global_index(id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.require_table_owner(logicalrelid) FROM pgloom.pg_dist_global_index WHERE indexid = id;
  DELETE FROM pgloom.pg_dist_global_index WHERE indexid = id;
END $$;

-- Tables a write to which may change the index: its own, and those whose foreign keys cascade to it. With all_keys: TRUNCATE … CASCADE.
CREATE FUNCTION pgloom.global_index_writers(id bigint, all_keys bool DEFAULT false) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE writer(relation) AS (
    SELECT logicalrelid::oid FROM pgloom.pg_dist_global_index WHERE indexid = id
    UNION SELECT k.confrelid FROM writer JOIN pg_constraint k ON k.conrelid = writer.relation
    WHERE k.contype = 'f' AND (all_keys OR k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')))
  SELECT relation FROM writer
$$;

-- Only who may write the table may have its lookup changed.
CREATE FUNCTION pgloom.require_global_index_writer(id bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation oid := (SELECT logicalrelid FROM pgloom.pg_dist_global_index WHERE indexid = id);
BEGIN
  IF has_table_privilege(pgloom.caller(), relation, 'INSERT, UPDATE, DELETE, TRUNCATE') THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pgloom.global_index_writers(id, true) w
      WHERE has_table_privilege(pgloom.caller(), w, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(pgloom.caller(), w, 'INSERT, UPDATE')) THEN
    RAISE EXCEPTION 'permission denied for table %', (SELECT relname FROM pg_class WHERE oid = relation)
      USING ERRCODE = '42501';
  END IF;
END $$;
`

/** NULL where others come along: those that generated columns are made from, or foreign keys of the table to itself. */
const COLUMNS = `
  SELECT CASE WHEN bool_or(a.attgenerated <> '') OR EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f'
      AND k.conrelid = c.oid AND k.confrelid = c.oid AND k.confupdtype IN ('c', 'n', 'd')) THEN NULL ELSE json_agg(a.attname) END
  FROM pg_class ic JOIN pg_index i ON i.indexrelid = ic.oid JOIN pg_attribute a ON a.attrelid = i.indrelid
  WHERE ic.relname = g.indexname AND i.indrelid = c.oid AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = ic.oid AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))`

/** Of the catalog's document; see GlobalIndex. */
export const GLOBAL_INDEXES = `
  SELECT json_agg(json_build_object('id', g.indexid, 'name', g.indexname, 'tableOid', c.oid::int8, 'schema', x.nspname,
    'table', c.relname, 'key', g.indexkey,
    'columns', (${COLUMNS}),
    'writtenThrough', (SELECT json_agg(w::int8 ORDER BY w) FROM pgloom.global_index_writers(g.indexid) w)) ORDER BY g.indexid)
  FROM pgloom.pg_dist_global_index g JOIN pg_class c ON c.oid = g.logicalrelid JOIN pg_namespace x ON x.oid = c.relnamespace`
