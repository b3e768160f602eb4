import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** One of the settings that exist only here; names, defaults and checks are those of Citus. */
export type ClusterSetting =
  | {
      readonly kind: 'integer'
      readonly default: string
      readonly min: number
      readonly max: number
    }
  | {
      readonly kind: 'boolean'
      readonly default: string
      /** A value that would change what statements do, but does nothing here. */
      readonly refused?: 'on' | 'off'
    }
  | { readonly kind: 'enum'; readonly default: string; readonly values: readonly string[] }
  | { readonly kind: 'string'; readonly default: string }

const MAX_INT = 2_147_483_647

function integer(defaultValue: number, min: number, max: number = MAX_INT): ClusterSetting {
  return { kind: 'integer', default: String(defaultValue), min, max }
}

function oneOf(defaultValue: string, ...others: string[]): ClusterSetting {
  return { kind: 'enum', default: defaultValue, values: [defaultValue, ...others] }
}

const ON = { kind: 'boolean', default: 'on' } as const
const OFF = { kind: 'boolean', default: 'off' } as const

/** By the name after the prefix. A name that isn't here is accepted and remembered as a string. */
const SETTINGS: ReadonlyMap<string, ClusterSetting> = new Map<string, ClusterSetting>([
  ['shard_count', integer(32, 1, 64_000)],
  ['shard_replication_factor', integer(1, 1, 100)],
  ['max_adaptive_executor_pool_size', integer(16, 1)],
  ['executor_slow_start_interval', integer(10, 0)],
  ['max_cached_conns_per_worker', integer(1, 0)],
  ['max_shared_pool_size', integer(0, -1)],
  ['repartition_join_bucket_count_per_node', integer(4, 1)],
  ['limit_clause_row_fetch_count', integer(-1, -1)],
  ['max_intermediate_result_size', integer(1_048_576, -1)],
  ['values_materialization_threshold', integer(100, -1)],
  ['next_shard_id', integer(0, 0)],
  ['next_placement_id', integer(0, 0)],
  ['multi_shard_modify_mode', oneOf('parallel', 'sequential')],
  ['local_table_join_policy', oneOf('auto', 'never', 'prefer-local', 'prefer-distributed')],
  ['coordinator_aggregation_strategy', oneOf('row-gather', 'disabled')],
  ['task_assignment_policy', oneOf('greedy', 'round-robin', 'first-replica')],
  ['use_secondary_nodes', oneOf('never', 'always')],
  ['create_object_propagation', oneOf('immediate', 'deferred', 'automatic')],
  ['propagate_set_commands', oneOf('none', 'local')],
  ['explain_analyze_sort_method', oneOf('execution-time', 'taskId')],
  ['enable_repartition_joins', OFF],
  ['enable_single_hash_repartition_joins', OFF],
  ['enable_repartitioned_insert_select', ON],
  ['force_max_query_parallelization', OFF],
  ['all_modifications_commutative', OFF],
  ['enable_deadlock_prevention', ON],
  ['enable_ddl_propagation', { ...ON, refused: 'off' }],
  ['enable_local_execution', ON],
  ['enable_local_reference_table_foreign_keys', ON],
  ['enable_unsafe_triggers', OFF],
  ['enable_schema_based_sharding', { ...OFF, refused: 'on' }],
  ['allow_unsafe_constraints', OFF],
  ['explain_all_tasks', OFF],
  ['explain_distributed_queries', ON],
  ['log_remote_commands', OFF],
  ['override_table_visibility', ON],
  ['subquery_pushdown', OFF],
  ['consistent_reads', OFF],
  ['global_unique_indexes', OFF],
  ['broadcast_joins', oneOf('auto', 'never', 'always')],
  ['repartition_joins', oneOf('auto', 'never', 'always')],
  ['exchange_distinct_values', oneOf('auto', 'never', 'always')],
  ['stat_statements_track', oneOf('none', 'all')],
  ['stat_tenants_track', oneOf('none', 'all')],
  ['stat_tenants_limit', integer(100, 1, 10_000)],
  ['stat_tenants_period', integer(60, 1, 86_400)],
  ['key_filters', oneOf('auto', 'never', 'always')],
  ['cluster_name', { kind: 'string', default: 'default' }],
  ['show_shards_for_app_name_prefixes', { kind: 'string', default: '' }],
])

const TRUE_WORDS: readonly string[] = ['true', 'yes', 'on']
const FALSE_WORDS: readonly string[] = ['false', 'no', 'off']

/** All that have a default, by their full name. */
export const CLUSTER_SETTING_DEFAULTS: ReadonlyMap<string, string> = new Map(
  [...SETTINGS].map(([name, setting]) => [`citus.${name}`, setting.default]),
)

/** `citus.shard_count` for it and for `pgloom.shard_count`, in any case; undefined for any other setting. */
export function clusterSettingName(name: string): string | undefined {
  const lower = name.toLowerCase()
  if (lower.startsWith('citus.')) return lower
  return lower.startsWith('pgloom.') ? `citus.${lower.slice('pgloom.'.length)}` : undefined
}

/** What SHOW says when the session has not set it; undefined: there is no such setting. */
export function clusterSettingDefault(name: string): string | undefined {
  return definition(name)?.default
}

/** The value in its canonical form; throws 22023 as Postgres does. `shown` is the name as the user wrote it. */
export function checkClusterSetting(name: string, value: string, shown: string): string {
  const setting = definition(name)
  if (setting === undefined) return value
  switch (setting.kind) {
    case 'string':
      return value
    case 'boolean':
      return checkSupported(setting.refused, checkBoolean(value, shown), shown)
    case 'integer':
      return checkInteger(setting, value, shown)
    case 'enum':
      return checkEnum(setting.values, value, shown)
  }
}

function definition(name: string): ClusterSetting | undefined {
  return SETTINGS.get(name.slice('citus.'.length))
}

function checkBoolean(value: string, shown: string): string {
  const word = value.toLowerCase()
  if (word === '1' || isPrefixOfOne(word, TRUE_WORDS)) return 'on'
  if (word === '0' || isPrefixOfOne(word, FALSE_WORDS)) return 'off'
  throw new RouterError(
    SqlState.invalidParameterValue,
    `parameter "${shown}" requires a Boolean value`,
  )
}

function checkSupported(refused: string | undefined, value: string, shown: string): string {
  if (value !== refused) return value
  throw new RouterError(SqlState.featureNotSupported, `${shown} = ${value} is not supported`, {
    hint: 'Leave it at its default.',
  })
}

/** `o` alone could be on or off: as in Postgres it is neither. */
function isPrefixOfOne(word: string, words: readonly string[]): boolean {
  return word !== '' && word !== 'o' && words.some((candidate) => candidate.startsWith(word))
}

function checkInteger(
  setting: { readonly min: number; readonly max: number },
  value: string,
  shown: string,
): string {
  const number = /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : Number.NaN
  if (Number.isNaN(number)) {
    throw new RouterError(
      SqlState.invalidParameterValue,
      `invalid value for parameter "${shown}": "${value}"`,
    )
  }
  if (number < setting.min || number > setting.max) {
    throw new RouterError(
      SqlState.invalidParameterValue,
      `${number} is outside the valid range for parameter "${shown}" (${setting.min} .. ${setting.max})`,
    )
  }
  return String(number)
}

function checkEnum(values: readonly string[], value: string, shown: string): string {
  const found = values.find((candidate) => candidate.toLowerCase() === value.toLowerCase())
  if (found !== undefined) return found
  throw new RouterError(
    SqlState.invalidParameterValue,
    `invalid value for parameter "${shown}": "${value}"`,
    { hint: `Available values: ${values.join(', ')}.` },
  )
}
