/**
 * The metadata tables on the coordinator, shaped as Citus' in names and columns. `shardgroupid` is ours: it names the
 * physical schema of a shard (see shard-schema.ts). Changed only through the functions of metadata-functions.ts.
 */
export const METADATA_TABLES_SQL = `
CREATE TYPE pgloom.noderole AS ENUM ('primary', 'secondary', 'unavailable');

CREATE SEQUENCE pgloom.pg_dist_node_nodeid_seq AS int;
CREATE SEQUENCE pgloom.pg_dist_groupid_seq AS int;
CREATE SEQUENCE pgloom.pg_dist_colocationid_seq AS int;
CREATE SEQUENCE pgloom.pg_dist_shardid_seq START 102008;
CREATE SEQUENCE pgloom.pg_dist_shardgroupid_seq;
CREATE SEQUENCE pgloom.pg_dist_placement_placementid_seq;

CREATE TABLE pgloom.pg_dist_node (
  nodeid int PRIMARY KEY DEFAULT nextval('pgloom.pg_dist_node_nodeid_seq'),
  groupid int NOT NULL DEFAULT nextval('pgloom.pg_dist_groupid_seq'),
  nodename text NOT NULL,
  nodeport int NOT NULL DEFAULT 5432,
  noderack text NOT NULL DEFAULT 'default',
  hasmetadata bool NOT NULL DEFAULT false,
  isactive bool NOT NULL DEFAULT true,
  noderole pgloom.noderole NOT NULL DEFAULT 'primary',
  nodecluster name NOT NULL DEFAULT 'default',
  metadatasynced bool NOT NULL DEFAULT false,
  shouldhaveshards bool NOT NULL DEFAULT true,
  UNIQUE (nodename, nodeport),
  CONSTRAINT primaries_are_only_allowed_in_the_default_cluster
    CHECK (nodecluster = 'default' OR noderole <> 'primary')
);
CREATE TABLE pgloom.pg_dist_local_group (groupid int PRIMARY KEY);
INSERT INTO pgloom.pg_dist_local_group VALUES (0);

CREATE TABLE pgloom.pg_dist_colocation (
  colocationid int PRIMARY KEY DEFAULT nextval('pgloom.pg_dist_colocationid_seq'),
  shardcount int NOT NULL,
  replicationfactor int NOT NULL,
  distributioncolumntype oid NOT NULL,
  distributioncolumncollation oid NOT NULL,
  -- true: made for one table by colocate_with => 'none'; new tables join it only by name
  isexclusive bool NOT NULL DEFAULT false
);
CREATE TABLE pgloom.pg_dist_partition (
  logicalrelid regclass PRIMARY KEY,
  partmethod "char" NOT NULL,
  partkey text,
  colocationid int NOT NULL DEFAULT 0,
  repmodel "char" NOT NULL DEFAULT 's',
  autoconverted bool NOT NULL DEFAULT false
);
CREATE TABLE pgloom.pg_dist_shard (
  logicalrelid regclass NOT NULL,
  shardid bigint PRIMARY KEY,
  shardstorage "char" NOT NULL DEFAULT 't',
  shardminvalue text,
  shardmaxvalue text,
  shardgroupid bigint
);
CREATE INDEX pg_dist_shard_logicalrelid_index ON pgloom.pg_dist_shard (logicalrelid);
CREATE TABLE pgloom.pg_dist_placement (
  placementid bigint PRIMARY KEY DEFAULT nextval('pgloom.pg_dist_placement_placementid_seq'),
  shardid bigint NOT NULL REFERENCES pgloom.pg_dist_shard ON DELETE CASCADE,
  shardstate int NOT NULL DEFAULT 1,
  shardlength bigint NOT NULL DEFAULT 0,
  groupid int NOT NULL,
  UNIQUE (shardid, groupid)
);
CREATE INDEX pg_dist_placement_groupid_index ON pgloom.pg_dist_placement (groupid);

CREATE TABLE pgloom.pg_dist_transaction (
  transactionid text PRIMARY KEY,
  decision text NOT NULL CHECK (decision IN ('commit', 'abort')),
  decided_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pgloom.pg_dist_catalog_version (version bigint NOT NULL);
INSERT INTO pgloom.pg_dist_catalog_version VALUES (1);

CREATE FUNCTION pgloom.bump_catalog_version() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE pgloom.pg_dist_catalog_version SET version = version + 1 RETURNING version
$$;
CREATE FUNCTION pgloom.notify_catalog_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('pgloom_catalog', '');
  RETURN NULL;
END $$;
CREATE TRIGGER notify_catalog_version AFTER UPDATE ON pgloom.pg_dist_catalog_version
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.notify_catalog_version();

CREATE FUNCTION pgloom.metadata_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.bump_catalog_version();
  RETURN NULL;
END $$;
CREATE TRIGGER metadata_changed AFTER INSERT OR UPDATE OR DELETE ON pgloom.pg_dist_node
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.metadata_changed();
CREATE TRIGGER metadata_changed AFTER INSERT OR UPDATE OR DELETE ON pgloom.pg_dist_partition
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.metadata_changed();
CREATE TRIGGER metadata_changed AFTER INSERT OR UPDATE OR DELETE ON pgloom.pg_dist_shard
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.metadata_changed();
CREATE TRIGGER metadata_changed
  AFTER INSERT OR DELETE OR UPDATE OF shardid, shardstate, groupid ON pgloom.pg_dist_placement
  FOR EACH STATEMENT EXECUTE FUNCTION pgloom.metadata_changed();
`
