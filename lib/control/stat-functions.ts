import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type { FunctionResult } from '../executor/ports.ts'
import { STAT_COUNTER_COLUMNS, TIME_PARTITION_COLUMNS } from '../planner/cluster-results.ts'
import { resultOf } from './activity-functions.ts'
import type { CommandRun } from './command-run.ts'
import type { StatCountersSource } from './stat-counters.ts'

/** Of the proxy that answers: one row, of the database at hand. */
export async function statCounters(
  run: CommandRun,
  counters: Pick<StatCountersSource, 'read'>,
): Promise<FunctionResult> {
  const { established, failed, reused, singleShard, multiShard, resetAtMs, silent } =
    await counters.read(run.context.catalog.database)
  for (const number of silent)
    run.notice(`process ${number} did not answer: its counts are missing`)
  const { rows } = await query(
    run.coordinator,
    `SELECT d.oid, d.datname, pg_catalog.to_timestamp($1::float8 / 1000)
     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`,
    [resetAtMs === undefined ? null : String(resetAtMs)],
  )
  const [oid, name, resetAt] = rows[0] ?? []
  const counts = [established, failed, reused, singleShard, multiShard].map(String)
  return resultOf(STAT_COUNTER_COLUMNS, [[oid, name, ...counts, resetAt]])
}

/** 0 stands for the database at hand, the only one that can be meant. */
export async function resetStatCounters(
  run: CommandRun,
  oid: string | undefined,
  counters: Pick<StatCountersSource, 'reset'>,
): Promise<void> {
  await run.value('SELECT pgloom.require_database_owner()')
  const isOwn = await run.value(
    'SELECT $1::int8::oid = 0::oid OR EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database() AND d.oid = $1::int8::oid)',
    [oid ?? '0'],
  )
  if (isOwn !== 't') {
    throw new RouterError(
      SqlState.featureNotSupported,
      'only the counters of the database at hand can be reset',
      { hint: 'Connect to the other database and call citus_stat_counters_reset() there.' },
    )
  }
  await counters.reset(run.context.catalog.database)
}

/** Partitions of shards are not shown. The default partition has empty bounds, as in Citus; MINVALUE and MAXVALUE are null. */
const TIME_PARTITIONS = `
SELECT p.partrelid::pg_catalog.regclass, a.attname, c.oid::pg_catalog.regclass, b.from_value, b.to_value, m.amname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound) e
CROSS JOIN LATERAL (SELECT pg_catalog.regexp_match(e.bound, '^FOR VALUES FROM \\((.*)\\) TO \\((.*)\\)$') AS parts) x
CROSS JOIN LATERAL (SELECT ${boundValue(1)} AS from_value, ${boundValue(2)} AS to_value) b
WHERE p.partstrat = 'r' AND p.partnatts = 1 AND n.nspname !~ '^pgloom_[0-9]'
ORDER BY p.partrelid::pg_catalog.regclass::text, b.from_value`

function boundValue(part: number): string {
  const value = `x.parts[${part}]`
  return `CASE WHEN e.bound = 'DEFAULT' THEN ''
  WHEN ${value} IN ('MINVALUE', 'MAXVALUE') THEN NULL
  WHEN ${value} LIKE '''%' THEN pg_catalog.replace(pg_catalog.substr(${value}, 2, pg_catalog.length(${value}) - 2), '''''', '''')
  ELSE ${value} END`
}

export async function timePartitions({ coordinator }: CommandRun): Promise<FunctionResult> {
  const { rows } = await query(coordinator, TIME_PARTITIONS)
  return resultOf(TIME_PARTITION_COLUMNS, rows)
}
