/**
 * The only ways to change metadata. They run with their owner's rights (the role that installed the schema), on the
 * client's own connection and in its transaction, and check for themselves what the caller may do: whoever has the
 * rights of a table's owner may distribute or undistribute it, whoever has those of the database's owner may
 * change nodes. Inside them current_user is the owner, so the caller is found by session_user and SET ROLE.
 */
export const METADATA_WRITERS_SQL = `
CREATE FUNCTION pgloom.caller() RETURNS name LANGUAGE sql STABLE AS $$
  SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;

CREATE FUNCTION pgloom.require_table_owner(relation regclass) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT (SELECT pg_has_role(pgloom.caller(), relowner, 'USAGE') FROM pg_class WHERE oid = relation) THEN
    RAISE EXCEPTION 'must be owner of table %', relation USING ERRCODE = '42501';
  END IF;
END $$;

CREATE FUNCTION pgloom.require_database_owner() RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT (SELECT pg_has_role(pgloom.caller(), datdba, 'USAGE') FROM pg_database
    WHERE datname = current_database()) THEN
    RAISE EXCEPTION 'must be owner of database %', current_database() USING ERRCODE = '42501';
  END IF;
END $$;

CREATE FUNCTION pgloom.decide(transactionid text, decision text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  in_force text;
BEGIN
  INSERT INTO pgloom.pg_dist_transaction (transactionid, decision) VALUES ($1, $2)
  ON CONFLICT ON CONSTRAINT pg_dist_transaction_pkey DO NOTHING;
  SELECT t.decision INTO in_force FROM pgloom.pg_dist_transaction t WHERE t.transactionid = $1;
  RETURN in_force;
END $$;

-- 1 when the node is new, 0 when it was known already
CREATE FUNCTION pgloom.add_node(nodename text, nodeport int, is_coordinator bool, should_have_shards bool,
  OUT node_id int, OUT group_id int, OUT is_new bool)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.require_database_owner();
  LOCK TABLE pgloom.pg_dist_node IN SHARE ROW EXCLUSIVE MODE;
  SELECT n.nodeid, n.groupid, false INTO node_id, group_id, is_new
  FROM pgloom.pg_dist_node n WHERE n.nodename = $1 AND n.nodeport = $2;
  IF FOUND THEN
    RETURN;
  END IF;
  INSERT INTO pgloom.pg_dist_node AS n (groupid, nodename, nodeport, shouldhaveshards, hasmetadata, metadatasynced)
  VALUES (CASE WHEN is_coordinator THEN 0 ELSE nextval('pgloom.pg_dist_groupid_seq') END,
    $1, $2, should_have_shards, is_coordinator, is_coordinator)
  RETURNING n.nodeid, n.groupid, true INTO node_id, group_id, is_new;
END $$;

CREATE FUNCTION pgloom.set_coordinator_host(host text, port int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.require_database_owner();
  UPDATE pgloom.pg_dist_node SET nodename = host, nodeport = port WHERE groupid = 0;
  IF NOT FOUND THEN
    PERFORM pgloom.add_node(host, port, true, false);
  END IF;
END $$;

CREATE FUNCTION pgloom.set_node_property(nodename text, nodeport int, property text, value bool) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.require_database_owner();
  IF property <> 'shouldhaveshards' THEN
    RAISE EXCEPTION 'only the ''shouldhaveshards'' property can be set using this function' USING ERRCODE = '22023';
  END IF;
  UPDATE pgloom.pg_dist_node n SET shouldhaveshards = $4 WHERE n.nodename = $1 AND n.nodeport = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'node at "%:%" does not exist', $1, $2 USING ERRCODE = '22023';
  END IF;
END $$;

CREATE FUNCTION pgloom.remove_node(name text, port int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  node pgloom.pg_dist_node;
  only_placement bigint;
BEGIN
  PERFORM pgloom.require_database_owner();
  LOCK TABLE pgloom.pg_dist_node IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO node FROM pgloom.pg_dist_node WHERE nodename = name AND nodeport = port;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'node at "%:%" does not exist', name, port USING ERRCODE = '22023';
  END IF;
  SELECT p.shardid INTO only_placement FROM pgloom.pg_dist_placement p
  WHERE p.groupid = node.groupid AND NOT EXISTS (SELECT FROM pgloom.pg_dist_placement o
    WHERE o.shardid = p.shardid AND o.groupid <> p.groupid) ORDER BY p.shardid LIMIT 1;
  IF only_placement IS NOT NULL THEN
    RAISE EXCEPTION 'cannot remove or disable the node %:% because because it contains the only shard placement for shard %',
      name, port, only_placement USING ERRCODE = '55000',
      DETAIL = 'One of the table(s) that prevents the operation complete successfully is '
        || (SELECT logicalrelid::text FROM pgloom.pg_dist_shard WHERE shardid = only_placement),
      HINT = 'To proceed, either drop the tables or use undistribute_table() function to convert them to local tables';
  END IF;
  DELETE FROM pgloom.pg_dist_placement WHERE groupid = node.groupid;
  DELETE FROM pgloom.pg_dist_node WHERE nodeid = node.nodeid;
END $$;

-- the default group of this shape, or a new one
CREATE FUNCTION pgloom.find_colocation_group(shards int, column_type oid, collation_oid oid, is_exclusive bool)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_id int;
BEGIN
  IF NOT is_exclusive THEN
    SELECT min(c.colocationid) INTO found_id FROM pgloom.pg_dist_colocation c
    WHERE c.shardcount = shards AND c.distributioncolumntype = column_type
      AND c.distributioncolumncollation = collation_oid AND NOT c.isexclusive;
  END IF;
  IF found_id IS NULL THEN
    INSERT INTO pgloom.pg_dist_colocation
      (shardcount, replicationfactor, distributioncolumntype, distributioncolumncollation, isexclusive)
    VALUES (shards, 1, column_type, collation_oid, is_exclusive) RETURNING colocationid INTO found_id;
  END IF;
  RETURN found_id;
END $$;

-- Records a hash-distributed table. colocation_group NULL: the default group of shard_count shards.
CREATE FUNCTION pgloom.register_distributed_table(relation regclass, distribution_column name,
  colocation_group int, shard_count int, is_exclusive bool) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  column_type oid;
  collation_oid oid;
  group_id int;
  sibling regclass;
  groups int[];
  width bigint;
BEGIN
  PERFORM pgloom.require_table_owner(relation);
  LOCK TABLE pgloom.pg_dist_node IN SHARE ROW EXCLUSIVE MODE;
  SELECT atttypid, attcollation INTO STRICT column_type, collation_oid FROM pg_attribute
  WHERE attrelid = relation AND attname = distribution_column AND attnum > 0 AND NOT attisdropped;
  group_id := coalesce(colocation_group,
    pgloom.find_colocation_group(shard_count, column_type, collation_oid, is_exclusive));
  SELECT t.logicalrelid INTO sibling FROM pgloom.pg_dist_partition t WHERE t.colocationid = group_id LIMIT 1;
  INSERT INTO pgloom.pg_dist_partition (logicalrelid, partmethod, partkey, colocationid, repmodel)
  VALUES (relation, 'h', pgloom.column_name_to_column(relation, distribution_column), group_id, 's');
  IF sibling IS NOT NULL THEN
    WITH shard AS (
      INSERT INTO pgloom.pg_dist_shard (logicalrelid, shardid, shardminvalue, shardmaxvalue, shardgroupid)
      SELECT relation, nextval('pgloom.pg_dist_shardid_seq'), s.shardminvalue, s.shardmaxvalue, s.shardgroupid
      FROM (SELECT * FROM pgloom.pg_dist_shard WHERE logicalrelid = sibling
        ORDER BY shardminvalue::int) s RETURNING *)
    INSERT INTO pgloom.pg_dist_placement (shardid, groupid)
    SELECT shard.shardid, p.groupid FROM shard
    JOIN pgloom.pg_dist_shard s ON s.logicalrelid = sibling AND s.shardgroupid = shard.shardgroupid
    JOIN pgloom.pg_dist_placement p ON p.shardid = s.shardid ORDER BY shard.shardid;
    RETURN;
  END IF;
  SELECT array_agg(n.groupid ORDER BY n.nodename, n.nodeport) INTO groups FROM pgloom.pg_dist_node n
  WHERE n.isactive AND n.shouldhaveshards AND n.noderole = 'primary';
  IF groups IS NULL THEN
    RAISE EXCEPTION 'couldn''t find any worker nodes' USING ERRCODE = '55000', HINT = 'Add a worker with SELECT citus_add_node(host, port), or let the coordinator hold shards: SELECT citus_set_node_property(host, port, ''shouldhaveshards'', true).';
  END IF;
  width := 4294967296 / shard_count;
  WITH shard AS (
    INSERT INTO pgloom.pg_dist_shard (logicalrelid, shardid, shardminvalue, shardmaxvalue, shardgroupid)
    SELECT relation, nextval('pgloom.pg_dist_shardid_seq'), (-2147483648 + i * width)::text,
      CASE WHEN i = shard_count - 1 THEN 2147483647 ELSE -2147483648 + (i + 1) * width - 1 END::text,
      nextval('pgloom.pg_dist_shardgroupid_seq')
    FROM generate_series(0, shard_count - 1) i RETURNING *)
  INSERT INTO pgloom.pg_dist_placement (shardid, groupid)
  SELECT shardid, groups[1 + (row_number() OVER (ORDER BY shardminvalue::int) - 1) % array_length(groups, 1)]
  FROM shard ORDER BY shardminvalue::int;
END $$;

CREATE FUNCTION pgloom.register_reference_table(relation regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  group_id int;
  shard_id bigint := nextval('pgloom.pg_dist_shardid_seq');
BEGIN
  PERFORM pgloom.require_table_owner(relation);
  LOCK TABLE pgloom.pg_dist_node IN SHARE ROW EXCLUSIVE MODE;
  SELECT min(colocationid) INTO group_id FROM pgloom.pg_dist_colocation WHERE distributioncolumntype = 0;
  IF group_id IS NULL THEN
    INSERT INTO pgloom.pg_dist_colocation (shardcount, replicationfactor, distributioncolumntype, distributioncolumncollation)
    VALUES (1, -1, 0, 0) RETURNING colocationid INTO group_id;
  END IF;
  INSERT INTO pgloom.pg_dist_partition (logicalrelid, partmethod, partkey, colocationid, repmodel)
  VALUES (relation, 'n', NULL, group_id, 't');
  INSERT INTO pgloom.pg_dist_shard (logicalrelid, shardid) VALUES (relation, shard_id);
  INSERT INTO pgloom.pg_dist_placement (shardid, groupid)
  SELECT shard_id, n.groupid FROM pgloom.pg_dist_node n
  WHERE n.isactive AND n.noderole = 'primary' ORDER BY n.groupid;
END $$;

-- After the copies of the reference tables have been made on a new node
CREATE FUNCTION pgloom.add_reference_placements(node_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgloom.require_database_owner();
  INSERT INTO pgloom.pg_dist_placement (shardid, groupid)
  SELECT s.shardid, n.groupid FROM pgloom.pg_dist_node n, pgloom.pg_dist_partition t
  JOIN pgloom.pg_dist_shard s USING (logicalrelid)
  WHERE n.nodeid = node_id AND t.partmethod = 'n' ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION pgloom.unregister_table(relation regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  group_id int;
BEGIN
  PERFORM pgloom.require_table_owner(relation);
  DELETE FROM pgloom.pg_dist_shard WHERE logicalrelid = relation;
  DELETE FROM pgloom.pg_dist_partition WHERE logicalrelid = relation RETURNING colocationid INTO group_id;
  DELETE FROM pgloom.pg_dist_colocation c WHERE c.colocationid = group_id AND c.distributioncolumntype <> 0
    AND NOT EXISTS (SELECT FROM pgloom.pg_dist_partition t WHERE t.colocationid = group_id);
END $$;

-- Sizes are only shown, never relied on: every role may bring them up to date.
CREATE FUNCTION pgloom.set_placement_sizes(shard_ids bigint[], group_ids int[], sizes bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE pgloom.pg_dist_placement p SET shardlength = u.size
  FROM unnest(shard_ids, group_ids, sizes) u(shardid, groupid, size)
  WHERE p.shardid = u.shardid AND p.groupid = u.groupid AND p.shardlength <> u.size
$$;

REVOKE ALL ON FUNCTION pgloom.find_colocation_group(int, oid, oid, bool) FROM PUBLIC;
`

/** What came with later versions. */
export const HOLD_DECISIONS_SQL = `
-- Until the caller's transaction ends nobody decides on a distributed commit: who does inserts a row here.
CREATE FUNCTION pgloom.hold_decisions() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE pgloom.pg_dist_transaction IN SHARE MODE;
END $$;
`

export const LOCK_WAITERS_SQL = `
-- Transactions over several nodes that run a statement for longer than deadlock_timeout; only proxies write here.
CREATE UNLOGGED TABLE pgloom.pg_dist_lock_waiter (
  proxy text NOT NULL,
  key text NOT NULL,
  started_at_ms float8 NOT NULL,
  backends text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (proxy, key)
);
`

/** As in Citus: a node's number times 10^10, and its process. */
export const GLOBAL_PID_SQL = `
CREATE FUNCTION pgloom.citus_calculate_gpid(nodeid int, pid int) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $1::bigint * 10000000000 + $2 $$;
CREATE FUNCTION pgloom.citus_nodeid_for_gpid(global_pid bigint) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1 / 10000000000)::int $$;
CREATE FUNCTION pgloom.citus_pid_for_gpid(global_pid bigint) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1 % 10000000000)::int $$;
`
