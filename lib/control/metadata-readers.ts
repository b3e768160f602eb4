/** SQL functions of Citus that need nothing but the metadata. Callable by every role; they run with the caller's rights. */
export const METADATA_READERS_SQL = `
CREATE FUNCTION pgloom.citus_version() RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'pgloom, compatible with Citus 13.0, on stock Postgres' $$;

CREATE FUNCTION pgloom.column_to_column_name(table_name regclass, column_var_text text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT attname::text FROM pg_catalog.pg_attribute
  WHERE attrelid = $1 AND attnum = substring($2 FROM ':varattno (\\d+)')::int2 AND NOT attisdropped
$$;
CREATE FUNCTION pgloom.column_name_to_column(table_name regclass, column_name text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.format('{VAR :varno 1 :varattno %s :vartype %s :vartypmod %s :varcollid %s'
    ' :varlevelsup 0 :varnosyn 1 :varattnosyn %s :location -1}',
    attnum, atttypid, atttypmod, attcollation, attnum)
  FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND attnum > 0 AND NOT attisdropped
$$;

CREATE FUNCTION pgloom.worker_hash(value anyelement) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.hash_record(ROW($1)) $$;
CREATE FUNCTION pgloom.worker_hash(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.hash_record(ROW($1)) $$;

CREATE FUNCTION pgloom.get_shard_id_for_distribution_column(table_name regclass, distribution_value text)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  partition pgloom.pg_dist_partition;
  type_name text;
  hash int;
BEGIN
  SELECT * INTO partition FROM pgloom.pg_dist_partition WHERE logicalrelid = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'relation is not distributed' USING ERRCODE = '42P01';
  END IF;
  IF partition.partmethod = 'n' THEN
    RETURN (SELECT shardid FROM pgloom.pg_dist_shard WHERE logicalrelid = $1);
  END IF;
  IF distribution_value IS NULL THEN
    RAISE EXCEPTION 'distribution value cannot be NULL for tables other than reference tables'
      USING ERRCODE = '22004';
  END IF;
  SELECT pg_catalog.format_type(atttypid, NULL) INTO type_name FROM pg_catalog.pg_attribute
  WHERE attrelid = $1 AND attname = pgloom.column_to_column_name($1, partition.partkey);
  EXECUTE pg_catalog.format('SELECT pg_catalog.hash_record(ROW($1::%s))', type_name)
    INTO hash USING distribution_value;
  RETURN (SELECT shardid FROM pgloom.pg_dist_shard
    WHERE logicalrelid = $1 AND hash BETWEEN shardminvalue::int AND shardmaxvalue::int);
END $$;
CREATE FUNCTION pgloom.get_shard_id_for_distribution_column(table_name regclass, distribution_value anyelement)
RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT pgloom.get_shard_id_for_distribution_column($1, $2::text) $$;

CREATE FUNCTION pgloom.shard_name(object_name regclass, shard_id bigint, skip_qualify_public bool DEFAULT true)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.quote_ident(CASE WHEN s.shardgroupid IS NULL THEN n.nspname
      WHEN n.nspname = 'public' THEN 'pgloom_' || s.shardgroupid
      ELSE 'pgloom_' || s.shardgroupid || '_' || n.nspname END)
    || '.' || pg_catalog.quote_ident(c.relname)
  FROM pgloom.pg_dist_shard s
  JOIN pg_catalog.pg_class c ON c.oid = s.logicalrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE s.logicalrelid = $1 AND s.shardid = $2
$$;

CREATE FUNCTION pgloom.citus_get_active_worker_nodes(OUT node_name text, OUT node_port bigint)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT nodename, nodeport FROM pgloom.pg_dist_node
  WHERE isactive AND noderole = 'primary' AND (groupid <> 0
    OR NOT EXISTS (SELECT FROM pgloom.pg_dist_node w WHERE w.groupid <> 0 AND w.isactive))
  ORDER BY nodename, nodeport
$$;
CREATE FUNCTION pgloom.master_get_active_worker_nodes(OUT node_name text, OUT node_port bigint)
RETURNS SETOF record LANGUAGE sql STABLE AS $$ SELECT * FROM pgloom.citus_get_active_worker_nodes() $$;
CREATE FUNCTION pgloom.citus_is_coordinator() RETURNS bool LANGUAGE sql STABLE AS $$ SELECT true $$;
CREATE FUNCTION pgloom.citus_coordinator_nodeid() RETURNS int LANGUAGE sql STABLE
AS $$ SELECT nodeid FROM pgloom.pg_dist_node WHERE groupid = 0 $$;
CREATE FUNCTION pgloom.citus_nodename_for_nodeid(nodeid int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT n.nodename FROM pgloom.pg_dist_node n WHERE n.nodeid = $1 $$;
CREATE FUNCTION pgloom.citus_nodeport_for_nodeid(nodeid int) RETURNS int LANGUAGE sql STABLE
AS $$ SELECT n.nodeport FROM pgloom.pg_dist_node n WHERE n.nodeid = $1 $$;
CREATE FUNCTION pgloom.get_nodeid_for_groupid(groupid int) RETURNS int LANGUAGE sql STABLE
AS $$ SELECT n.nodeid FROM pgloom.pg_dist_node n WHERE n.groupid = $1 AND n.noderole = 'primary' $$;

CREATE FUNCTION pgloom.distributed_tables_colocated(table1 regclass, table2 regclass) RETURNS bool
LANGUAGE sql STABLE AS $$
  SELECT count(*) = 2 OR $1 = $2 AND count(*) = 1 FROM pgloom.pg_dist_partition
  WHERE logicalrelid IN ($1, $2)
    AND colocationid = (SELECT colocationid FROM pgloom.pg_dist_partition WHERE logicalrelid = $1)
$$;
CREATE FUNCTION pgloom.get_colocated_table_array(regclass) RETURNS regclass[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(o.logicalrelid ORDER BY o.logicalrelid) FROM pgloom.pg_dist_partition t
  JOIN pgloom.pg_dist_partition o USING (colocationid) WHERE t.logicalrelid = $1
$$;
CREATE FUNCTION pgloom.citus_total_relation_size(logicalrelid regclass, fail_on_error bool DEFAULT true)
RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT sum(p.shardlength)::bigint FROM pgloom.pg_dist_shard s
  JOIN pgloom.pg_dist_placement p USING (shardid) WHERE s.logicalrelid = $1
$$;
`
