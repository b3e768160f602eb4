import type { FunctionResult } from '../executor/ports.ts'
import {
  backendGpid,
  locks,
  lockWaits,
  oneValue,
  preparedTransactions,
  signalBackend,
  statActivity,
} from './activity-functions.ts'
import { addNode, type ConnectNode } from './add-node.ts'
import type { CommandRun } from './command-run.ts'
import { createDistributedTable } from './create-distributed-table.ts'
import { countNodesInGuards, createReferenceTable } from './create-reference-table.ts'
import type { ArgumentDeclaration, ArgumentValues } from './function-arguments.ts'
import { resetQueryStatistics, statStatements, statTenants } from './query-statistics-functions.ts'
import type { QueryStatisticsSource } from './query-statistics-source.ts'
import { relationSize, SIZE_FUNCTIONS } from './relation-size.ts'
import { runCommandOnNodes, runCommandOnShards, runCommandOnWorkers } from './run-command.ts'
import type { StatCountersSource } from './stat-counters.ts'
import { resetStatCounters, statCounters, timePartitions } from './stat-functions.ts'
import { undistributeTable } from './undistribute-table.ts'

/** What functions need beyond the client's own session. */
export type Outside = {
  readonly connectNode: ConnectNode
  /** Finishes what proxies have left prepared; how many parts. */
  readonly recover: () => Promise<number>
  /** Looks for deadlocks over several nodes now; whether there was one. */
  readonly findDeadlocks: () => Promise<boolean>
  /** Of the proxy, all its processes together. */
  readonly counters: Pick<StatCountersSource, 'read' | 'reset'>
  readonly statistics: Pick<QueryStatisticsSource, 'statements' | 'tenants' | 'reset'>
}

export type ClusterFunction = {
  readonly arguments: readonly ArgumentDeclaration[]
  /** Changes the cluster: all in one transaction. */
  readonly isAtomic: boolean
  readonly run: (
    run: CommandRun,
    values: ArgumentValues,
    outside: Outside,
  ) => Promise<FunctionResult | string | undefined>
}

/** A result of one column and row named after the function: void has type OID 2278 and an empty text. */
export const VOID = { typeOid: 2278, typeSize: 4 }
export const INTEGER = { typeOid: 23, typeSize: 4 }

const NODE: readonly ArgumentDeclaration[] = [
  { name: 'nodename', type: 'text' },
  { name: 'nodeport', type: 'int' },
]

const ADD_NODE: ClusterFunction = {
  arguments: [
    ...NODE,
    { name: 'groupid', type: 'int', default: '-1' },
    { name: 'noderole', type: 'text', default: 'primary' },
    { name: 'nodecluster', type: 'text', default: 'default' },
  ],
  isAtomic: true,
  run: (run, values, { connectNode }) => addNode(run, values, connectNode),
}

const REMOVE_NODE: ClusterFunction = {
  arguments: NODE,
  isAtomic: true,
  run: async (run, values) => {
    await callWriter(run, values, 'pgloom.remove_node($1, $2::int)', NODE)
    await countNodesInGuards(run)
    return undefined
  },
}

const COMMAND: readonly ArgumentDeclaration[] = [
  { name: 'command', type: 'text' },
  { name: 'parallel', type: 'bool', default: 'true' },
  { name: 'give_warning_for_connection_errors', type: 'bool', default: 'false' },
]

const HOST: readonly ArgumentDeclaration[] = [
  { name: 'host', type: 'text' },
  { name: 'port', type: 'int', default: null },
  { name: 'node_role', type: 'text', default: 'primary' },
  { name: 'node_cluster', type: 'text', default: 'default' },
]

const PROPERTY: readonly ArgumentDeclaration[] = [
  ...NODE,
  { name: 'property', type: 'text' },
  { name: 'value', type: 'bool' },
]

async function callWriter(
  run: CommandRun,
  values: ArgumentValues,
  call: string,
  declared: readonly ArgumentDeclaration[],
): Promise<undefined> {
  await run.value(
    `SELECT ${call}`,
    declared.map(({ name }) => values.get(name) ?? null),
  )
}

/** Argument names and defaults are Citus'. */
export const CLUSTER_FUNCTIONS: ReadonlyMap<string, ClusterFunction> = new Map<
  string,
  ClusterFunction
>([
  ['citus_add_node', ADD_NODE],
  ['master_add_node', ADD_NODE],
  ['citus_remove_node', REMOVE_NODE],
  ['master_remove_node', REMOVE_NODE],
  [
    'citus_set_coordinator_host',
    {
      arguments: HOST,
      isAtomic: true,
      run: (run, values) =>
        callWriter(
          run,
          values,
          "pgloom.set_coordinator_host($1, coalesce($2::int, current_setting('port')::int))",
          HOST.slice(0, 2),
        ),
    },
  ],
  [
    'citus_set_node_property',
    {
      arguments: PROPERTY,
      isAtomic: true,
      run: (run, values) =>
        callWriter(run, values, 'pgloom.set_node_property($1, $2::int, $3, $4::bool)', PROPERTY),
    },
  ],
  [
    'create_distributed_table',
    {
      arguments: [
        { name: 'table_name', type: 'regclass' },
        { name: 'distribution_column', type: 'text' },
        { name: 'distribution_type', type: 'text', default: 'hash' },
        { name: 'colocate_with', type: 'text', default: 'default' },
        { name: 'shard_count', type: 'int', default: null },
      ],
      isAtomic: true,
      run: async (run, values) => void (await createDistributedTable(run, values)),
    },
  ],
  [
    'create_reference_table',
    {
      arguments: [{ name: 'table_name', type: 'regclass' }],
      isAtomic: true,
      run: async (run, values) => void (await createReferenceTable(run, values)),
    },
  ],
  [
    'undistribute_table',
    {
      arguments: [
        { name: 'table_name', type: 'regclass' },
        { name: 'cascade_via_foreign_keys', type: 'bool', default: 'false' },
      ],
      isAtomic: true,
      run: async (run, values) => void (await undistributeTable(run, values)),
    },
  ],
  [
    'run_command_on_workers',
    { arguments: COMMAND.slice(0, 2), isAtomic: false, run: runCommandOnWorkers },
  ],
  [
    'run_command_on_all_nodes',
    {
      arguments: COMMAND,
      isAtomic: false,
      run: (run, values) => runCommandOnNodes(run, values, () => true),
    },
  ],
  [
    'run_command_on_coordinator',
    {
      arguments: COMMAND.filter(({ name }) => name !== 'parallel'),
      isAtomic: false,
      run: (run, values) => runCommandOnNodes(run, values, (groupId) => groupId === 0),
    },
  ],
  [
    'run_command_on_shards',
    {
      arguments: [{ name: 'table_name', type: 'regclass' }, ...COMMAND.slice(0, 2)],
      isAtomic: false,
      run: runCommandOnShards,
    },
  ],
  ['citus_stat_activity', { arguments: [], isAtomic: false, run: statActivity }],
  ['citus_dist_stat_activity', { arguments: [], isAtomic: false, run: statActivity }],
  ['citus_lock_waits', { arguments: [], isAtomic: false, run: lockWaits }],
  ['citus_locks', { arguments: [], isAtomic: false, run: locks }],
  [
    'citus_stat_counters',
    {
      arguments: [],
      isAtomic: false,
      run: (run, _values, { counters }) => statCounters(run, counters),
    },
  ],
  [
    'citus_stat_counters_reset',
    {
      arguments: [{ name: 'database_oid', type: 'bigint', default: '0' }],
      isAtomic: false,
      run: (run, values, { counters }) =>
        resetStatCounters(run, values.get('database_oid') ?? undefined, counters).then(
          () => undefined,
        ),
    },
  ],
  ['time_partitions', { arguments: [], isAtomic: false, run: timePartitions }],
  [
    'citus_stat_statements',
    {
      arguments: [],
      isAtomic: false,
      run: (run, _values, { statistics }) => statStatements(run, statistics),
    },
  ],
  ...['citus_stat_tenants', 'citus_stat_tenants_local'].map((name): [string, ClusterFunction] => {
    const showsNodes = name === 'citus_stat_tenants'
    const run: ClusterFunction['run'] = (run, _values, { statistics }) =>
      statTenants(run, statistics, showsNodes)
    return [name, { arguments: [], isAtomic: false, run }]
  }),
  ...(['statements', 'tenants'] as const).map((kind): [string, ClusterFunction] => {
    const run: ClusterFunction['run'] = (run, _values, { statistics }) =>
      resetQueryStatistics(run, statistics, kind)
    return [`citus_stat_${kind}_reset`, { arguments: [], isAtomic: false, run }]
  }),
  ['pg_prepared_xacts', { arguments: [], isAtomic: false, run: preparedTransactions }],
  [
    'check_distributed_deadlocks',
    {
      arguments: [],
      isAtomic: false,
      run: async (_run, _values, { findDeadlocks }) =>
        oneValue('check_distributed_deadlocks', 'bool', (await findDeadlocks()) ? 't' : 'f'),
    },
  ],
  ['citus_backend_gpid', { arguments: [], isAtomic: false, run: backendGpid }],
  [
    'pg_cancel_backend',
    {
      arguments: [{ name: 'pid', type: 'bigint' }],
      isAtomic: false,
      run: (run, values) => signalBackend(run, values, 'pg_cancel_backend'),
    },
  ],
  [
    'pg_terminate_backend',
    {
      arguments: [
        { name: 'pid', type: 'bigint' },
        { name: 'timeout', type: 'bigint', default: '0' },
      ],
      isAtomic: false,
      run: (run, values) => signalBackend(run, values, 'pg_terminate_backend'),
    },
  ],
  [
    'recover_prepared_transactions',
    {
      arguments: [],
      isAtomic: false,
      run: async (_run, _values, { recover }) => String(await recover()),
    },
  ],
  ...SIZE_FUNCTIONS.map((size): [string, ClusterFunction] => [
    size.name,
    {
      arguments: size.arguments,
      isAtomic: false,
      run: (run, values) => relationSize(run, values, size),
    },
  ]),
])

/** Real functions in schema pgloom, for callers that hand them to us all the same. */
export const SQL_FUNCTIONS: ReadonlySet<string> = new Set([
  'worker_hash',
  'shard_name',
  'distributed_tables_colocated',
  'get_colocated_table_array',
])
