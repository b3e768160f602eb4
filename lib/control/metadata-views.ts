/** Views with Citus' names and columns. Sizes are those that refreshSizes last wrote to pg_dist_placement. */
export const METADATA_VIEWS_SQL = `
CREATE VIEW pgloom.pg_dist_shard_placement AS
SELECT p.shardid, p.shardstate, p.shardlength, n.nodename, n.nodeport, p.placementid
FROM pgloom.pg_dist_placement p JOIN pgloom.pg_dist_node n USING (groupid)
WHERE n.noderole = 'primary';

CREATE VIEW pgloom.citus_tables AS
SELECT t.logicalrelid AS table_name,
  CASE WHEN t.partmethod = 'h' THEN 'distributed' ELSE 'reference' END AS citus_table_type,
  coalesce(pgloom.column_to_column_name(t.logicalrelid, t.partkey), '<none>') AS distribution_column,
  t.colocationid AS colocation_id,
  pg_size_pretty((SELECT coalesce(sum(p.shardlength), 0)
    FROM pgloom.pg_dist_shard s JOIN pgloom.pg_dist_placement p USING (shardid)
    WHERE s.logicalrelid = t.logicalrelid)) AS table_size,
  (SELECT count(*) FROM pgloom.pg_dist_shard s WHERE s.logicalrelid = t.logicalrelid) AS shard_count,
  pg_get_userbyid(c.relowner) AS table_owner,
  a.amname AS access_method
FROM pgloom.pg_dist_partition t JOIN pg_class c ON c.oid = t.logicalrelid
LEFT JOIN pg_am a ON a.oid = c.relam
ORDER BY t.logicalrelid::text;

CREATE VIEW pgloom.citus_shards AS
SELECT t.logicalrelid AS table_name, s.shardid,
  pgloom.shard_name(t.logicalrelid, s.shardid) AS shard_name,
  CASE WHEN t.partmethod = 'h' THEN 'distributed' ELSE 'reference' END AS citus_table_type,
  t.colocationid AS colocation_id, n.nodename, n.nodeport, p.shardlength AS shard_size
FROM pgloom.pg_dist_partition t
JOIN pgloom.pg_dist_shard s USING (logicalrelid)
JOIN pgloom.pg_dist_placement p USING (shardid)
JOIN pgloom.pg_dist_node n USING (groupid)
JOIN pg_class c ON c.oid = t.logicalrelid
WHERE p.shardstate = 1 AND n.noderole = 'primary' AND n.isactive
ORDER BY t.logicalrelid::text, s.shardid, n.nodename, n.nodeport;

-- Schema-based sharding does not exist: no rows, with Citus' columns.
CREATE VIEW pgloom.citus_schemas AS
SELECT NULL::regnamespace AS schema_name, NULL::int AS colocation_id, NULL::text AS schema_size,
  NULL::name AS schema_owner
WHERE false;

CREATE VIEW pgloom.citus_nodes AS
SELECT nodename, nodeport,
  CASE WHEN groupid = 0 THEN 'coordinator' ELSE 'worker' END AS role,
  isactive AS active
FROM pgloom.pg_dist_node;
`
