/** What a cluster function gives: one value of a type, or rows of named columns. */
export type ResultShape =
  | { readonly kind: 'value'; readonly type: string }
  | { readonly kind: 'rows'; readonly columns: readonly ResultColumn[] }

export type ResultColumn = { readonly name: string; readonly type: string }

const OUTCOME: readonly ResultColumn[] = [
  { name: 'success', type: 'bool' },
  { name: 'result', type: 'text' },
]

const NODE_COLUMNS: readonly ResultColumn[] = [{ name: 'nodeid', type: 'int4' }, ...OUTCOME]

/** Citus' own, then those of pg_stat_activity. */
export const ACTIVITY_COLUMNS: readonly ResultColumn[] = [
  { name: 'global_pid', type: 'int8' },
  { name: 'nodeid', type: 'int4' },
  { name: 'is_worker_query', type: 'bool' },
  { name: 'datid', type: 'oid' },
  { name: 'datname', type: 'name' },
  { name: 'pid', type: 'int4' },
  { name: 'leader_pid', type: 'int4' },
  { name: 'usesysid', type: 'oid' },
  { name: 'usename', type: 'name' },
  { name: 'application_name', type: 'text' },
  { name: 'client_addr', type: 'inet' },
  { name: 'client_hostname', type: 'text' },
  { name: 'client_port', type: 'int4' },
  { name: 'backend_start', type: 'timestamptz' },
  { name: 'xact_start', type: 'timestamptz' },
  { name: 'query_start', type: 'timestamptz' },
  { name: 'state_change', type: 'timestamptz' },
  { name: 'wait_event_type', type: 'text' },
  { name: 'wait_event', type: 'text' },
  { name: 'state', type: 'text' },
  { name: 'backend_xid', type: 'xid' },
  { name: 'backend_xmin', type: 'xid' },
  { name: 'query_id', type: 'int8' },
  { name: 'query', type: 'text' },
  { name: 'backend_type', type: 'text' },
]

export const LOCK_WAIT_COLUMNS: readonly ResultColumn[] = [
  { name: 'waiting_gpid', type: 'int8' },
  { name: 'blocking_gpid', type: 'int8' },
  { name: 'blocked_statement', type: 'text' },
  { name: 'current_statement_in_blocking_process', type: 'text' },
  { name: 'waiting_nodeid', type: 'int4' },
  { name: 'blocking_nodeid', type: 'int4' },
]

/** Citus' own, then those of pg_locks. */
export const LOCK_COLUMNS: readonly ResultColumn[] = [
  { name: 'global_pid', type: 'int8' },
  { name: 'nodeid', type: 'int4' },
  { name: 'locktype', type: 'text' },
  { name: 'database', type: 'oid' },
  { name: 'relation', type: 'oid' },
  { name: 'relation_name', type: 'text' },
  { name: 'page', type: 'int4' },
  { name: 'tuple', type: 'int2' },
  { name: 'virtualxid', type: 'text' },
  { name: 'transactionid', type: 'xid' },
  { name: 'classid', type: 'oid' },
  { name: 'objid', type: 'oid' },
  { name: 'objsubid', type: 'int2' },
  { name: 'virtualtransaction', type: 'text' },
  { name: 'pid', type: 'int4' },
  { name: 'mode', type: 'text' },
  { name: 'granted', type: 'bool' },
  { name: 'fastpath', type: 'bool' },
  { name: 'waitstart', type: 'timestamptz' },
]

export const STAT_COUNTER_COLUMNS: readonly ResultColumn[] = [
  { name: 'oid', type: 'oid' },
  { name: 'name', type: 'name' },
  { name: 'connection_establishment_succeeded', type: 'int8' },
  { name: 'connection_establishment_failed', type: 'int8' },
  { name: 'connection_reused', type: 'int8' },
  { name: 'query_execution_single_shard', type: 'int8' },
  { name: 'query_execution_multi_shard', type: 'int8' },
  { name: 'stats_reset', type: 'timestamptz' },
]

export const TIME_PARTITION_COLUMNS: readonly ResultColumn[] = [
  { name: 'parent_table', type: 'regclass' },
  { name: 'partition_column', type: 'name' },
  { name: 'partition', type: 'regclass' },
  { name: 'from_value', type: 'text' },
  { name: 'to_value', type: 'text' },
  { name: 'access_method', type: 'name' },
]

export const STAT_STATEMENT_COLUMNS: readonly ResultColumn[] = [
  { name: 'queryid', type: 'int8' },
  { name: 'userid', type: 'oid' },
  { name: 'dbid', type: 'oid' },
  { name: 'query', type: 'text' },
  { name: 'executor', type: 'text' },
  { name: 'partition_key', type: 'text' },
  { name: 'calls', type: 'int8' },
]

export const STAT_TENANT_COLUMNS: readonly ResultColumn[] = [
  { name: 'colocation_id', type: 'int4' },
  { name: 'tenant_attribute', type: 'text' },
  { name: 'read_count_in_this_period', type: 'int4' },
  { name: 'read_count_in_last_period', type: 'int4' },
  { name: 'query_count_in_this_period', type: 'int4' },
  { name: 'query_count_in_last_period', type: 'int4' },
  { name: 'cpu_usage_in_this_period', type: 'float8' },
  { name: 'cpu_usage_in_last_period', type: 'float8' },
]

/** Of Postgres' own view. */
export const PREPARED_COLUMNS: readonly ResultColumn[] = [
  { name: 'transaction', type: 'xid' },
  { name: 'gid', type: 'text' },
  { name: 'prepared', type: 'timestamptz' },
  { name: 'owner', type: 'name' },
  { name: 'database', type: 'name' },
]

const ROWS: ReadonlyMap<string, readonly ResultColumn[]> = new Map([
  [
    'run_command_on_workers',
    [{ name: 'nodename', type: 'text' }, { name: 'nodeport', type: 'int4' }, ...OUTCOME],
  ],
  ['run_command_on_all_nodes', NODE_COLUMNS],
  ['run_command_on_coordinator', NODE_COLUMNS],
  ['citus_stat_activity', ACTIVITY_COLUMNS],
  ['citus_dist_stat_activity', ACTIVITY_COLUMNS],
  ['citus_lock_waits', LOCK_WAIT_COLUMNS],
  ['citus_locks', LOCK_COLUMNS],
  ['citus_stat_counters', STAT_COUNTER_COLUMNS],
  ['citus_stat_statements', STAT_STATEMENT_COLUMNS],
  ['citus_stat_tenants', [{ name: 'nodeid', type: 'int4' }, ...STAT_TENANT_COLUMNS]],
  ['citus_stat_tenants_local', STAT_TENANT_COLUMNS],
  ['time_partitions', TIME_PARTITION_COLUMNS],
  ['pg_prepared_xacts', PREPARED_COLUMNS],
  ['run_command_on_shards', [{ name: 'shardid', type: 'int8' }, ...OUTCOME]],
])

/** Sizes of relations whose stored rows are in shards: computed by the proxy for a relation named by a constant. */
export const SIZE_FUNCTIONS: ReadonlySet<string> = new Set([
  'pg_relation_size',
  'pg_table_size',
  'pg_indexes_size',
  'pg_total_relation_size',
  'citus_relation_size',
  'citus_table_size',
  'citus_total_relation_size',
])

const VALUES: ReadonlyMap<string, string> = new Map([
  ['citus_backend_gpid', 'int8'],
  ['recover_prepared_transactions', 'int4'],
  ['check_distributed_deadlocks', 'bool'],
  ['pg_cancel_backend', 'bool'],
  ['pg_terminate_backend', 'bool'],
])

export function resultShape(name: string): ResultShape {
  const columns = ROWS.get(name)
  if (columns !== undefined) return { kind: 'rows', columns }
  const type = VALUES.get(name)
  if (type !== undefined) return { kind: 'value', type }
  if (SIZE_FUNCTIONS.has(name)) return { kind: 'value', type: 'int8' }
  return { kind: 'value', type: /^(citus|master)_add_/.test(name) ? 'int4' : 'void' }
}
