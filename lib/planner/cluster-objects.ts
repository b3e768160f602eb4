/** Real views of the metadata in schema pgloom, found by their bare names or in pg_catalog, as Citus has them. */
export const METADATA_RELATIONS: ReadonlySet<string> = new Set([
  'citus_tables',
  'citus_shards',
  'citus_nodes',
  'citus_schemas',
  'pg_dist_node',
  'pg_dist_colocation',
  'pg_dist_partition',
  'pg_dist_shard',
  'pg_dist_placement',
  'pg_dist_shard_placement',
  'pg_dist_local_group',
  'pg_dist_transaction',
])

/** Their shard_size columns are brought up to date before they are read. */
export const SIZED_RELATIONS: ReadonlySet<string> = new Set(['citus_tables', 'citus_shards'])

/** Real SQL functions in schema pgloom, usable in any local statement. */
export const METADATA_FUNCTIONS: ReadonlySet<string> = new Set([
  'citus_version',
  'citus_nodeid_for_gpid',
  'citus_pid_for_gpid',
  'citus_calculate_gpid',
  'citus_get_active_worker_nodes',
  'master_get_active_worker_nodes',
  'get_shard_id_for_distribution_column',
  'citus_is_coordinator',
  'citus_coordinator_nodeid',
  'citus_nodename_for_nodeid',
  'citus_nodeport_for_nodeid',
  'column_to_column_name',
  'column_name_to_column',
  'worker_hash',
  'shard_name',
  'distributed_tables_colocated',
  'get_colocated_table_array',
  'get_nodeid_for_groupid',
  'citus_total_relation_size',
])

/** Views of what goes on in all servers: the proxy asks them, as for a function of the same name that gives the rows. */
export const ACTIVITY_RELATIONS: ReadonlySet<string> = new Set([
  'citus_stat_activity',
  'citus_dist_stat_activity',
  'citus_lock_waits',
  'citus_locks',
  'citus_stat_counters',
  'citus_stat_statements',
  'citus_stat_tenants',
  'citus_stat_tenants_local',
  'time_partitions',
])

/** Postgres' own, of which each server shows its part: where there are several, the proxy asks all of them. */
export const SPREAD_RELATIONS: ReadonlySet<string> = new Set(['pg_prepared_xacts'])

/** Postgres' own, where they are given a global pid, which is beyond its int. */
export const SIGNAL_FUNCTIONS: ReadonlySet<string> = new Set([
  'pg_cancel_backend',
  'pg_terminate_backend',
])

/** Functions that only the proxy can carry out: they must be a statement of their own. */
export const CLUSTER_FUNCTIONS: ReadonlySet<string> = new Set([
  'create_distributed_table',
  'create_distributed_table_concurrently',
  'create_reference_table',
  'undistribute_table',
  'alter_distributed_table',
  'citus_add_local_table_to_metadata',
  'remove_local_tables_from_metadata',
  'update_distributed_table_colocation',
  'truncate_local_data_after_distributing_table',
  'create_distributed_function',
  'citus_schema_distribute',
  'citus_schema_undistribute',
  'citus_schema_move',
  'create_time_partitions',
  'citus_add_node',
  'citus_add_inactive_node',
  'citus_add_secondary_node',
  'citus_activate_node',
  'citus_disable_node',
  'citus_remove_node',
  'citus_update_node',
  'citus_set_node_property',
  'citus_set_coordinator_host',
  'citus_check_cluster_node_health',
  'citus_check_connection_to_node',
  'master_add_node',
  'master_remove_node',
  'citus_rebalance_start',
  'citus_rebalance_status',
  'citus_rebalance_stop',
  'citus_rebalance_wait',
  'rebalance_table_shards',
  'get_rebalance_table_shards_plan',
  'get_rebalance_progress',
  'citus_move_shard_placement',
  'citus_copy_shard_placement',
  'replicate_reference_tables',
  'citus_split_shard_by_split_points',
  'isolate_tenant_to_new_shard',
  'citus_drain_node',
  'citus_job_list',
  'citus_job_status',
  'citus_job_wait',
  'citus_job_cancel',
  'citus_cleanup_orphaned_resources',
  'run_command_on_workers',
  'run_command_on_all_nodes',
  'run_command_on_coordinator',
  'run_command_on_shards',
  'run_command_on_placements',
  'run_command_on_colocated_placements',
  'citus_relation_size',
  'citus_table_size',
  'citus_shard_sizes',
  'citus_backend_gpid',
  'recover_prepared_transactions',
  'check_distributed_deadlocks',
  'citus_create_restore_point',
  'citus_stat_statements_reset',
  'citus_stat_tenants_reset',
  'citus_stat_counters_reset',
  'get_all_active_transactions',
  'get_global_active_transactions',
  'citus_remote_connection_stats',
])

/** Those that hold a lock for the session: the client keeps its server connection. */
export const SESSION_LOCK_FUNCTIONS: ReadonlySet<string> = new Set([
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_advisory_unlock',
  'pg_advisory_unlock_shared',
  'pg_advisory_unlock_all',
])
