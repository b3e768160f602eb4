import { createHash } from 'node:crypto'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { clusterSettingDefault } from '../catalog/cluster-settings.ts'
import { query } from '../executor/node-client.ts'
import type { FunctionResult } from '../executor/ports.ts'
import { STAT_STATEMENT_COLUMNS, STAT_TENANT_COLUMNS } from '../planner/cluster-results.ts'
import { resultOf } from './activity-functions.ts'
import type { CommandRun } from './command-run.ts'
import type { Found, QueryStatisticsSource } from './query-statistics-source.ts'

/** As pg_stat_statements shows those of others to who may not read them. */
const OTHERS_TEXT = '<insufficient privilege>'
const LIMIT = 'citus.stat_tenants_limit'

/** Of the proxy that answers. Whose statements may be read is as in pg_stat_statements. */
export async function statStatements(
  run: CommandRun,
  source: Pick<QueryStatisticsSource, 'statements'>,
): Promise<FunctionResult> {
  const found = await source.statements(run.context.catalog.database)
  warnOfSilent(run, found)
  const users = [...new Set(found.rows.map(({ user }) => user))]
  const { rows } = await query(
    run.coordinator,
    `SELECT r.rolname, r.oid, r.rolname = current_user OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
       (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
     FROM pg_catalog.pg_roles r
     WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb))`,
    [JSON.stringify(users)],
  )
  const roles = new Map(rows.map(([name, ...role]) => [name, role]))
  const shown = found.rows.flatMap(({ user, query: text, executor, partitionKey, calls }) => {
    const [userId, mayRead, databaseId] = roles.get(user) ?? []
    // the role has been dropped since
    if (userId === undefined) return []
    const own =
      mayRead === 't'
        ? [queryId(text), userId, databaseId, text, executor, partitionKey ?? undefined]
        : [undefined, userId, databaseId, OTHERS_TEXT, executor, undefined]
    return [[...own, String(calls)]]
  })
  return resultOf(STAT_STATEMENT_COLUMNS, shown)
}

/** Equal for equal texts, whoever runs them and through whichever proxy. */
function queryId(text: string): string {
  return String(createHash('sha256').update(text).digest().readBigInt64BE())
}

/** The busiest, of the proxy that answers. What they cost the servers nobody knows. */
export async function statTenants(
  run: CommandRun,
  source: Pick<QueryStatisticsSource, 'tenants'>,
  showsNodes: boolean,
): Promise<FunctionResult> {
  await requireMonitor(run)
  const found = await source.tenants(run.context.catalog.database)
  warnOfSilent(run, found)
  const limit = await run.value(`SELECT pg_catalog.current_setting($1, true)`, [LIMIT])
  const count = Number(limit || clusterSettingDefault(LIMIT))
  const rows = found.rows.slice(0, count).map((tenant) => {
    const { nodeId, colocationId, attribute } = tenant
    const { readsNow, readsBefore, queriesNow, queriesBefore } = tenant
    const counts = [readsNow, readsBefore, queriesNow, queriesBefore].map(String)
    const own = [String(colocationId), attribute, ...counts, undefined, undefined]
    return showsNodes ? [String(nodeId), ...own] : own
  })
  const node = { name: 'nodeid', type: 'int4' } as const
  return resultOf(showsNodes ? [node, ...STAT_TENANT_COLUMNS] : STAT_TENANT_COLUMNS, rows)
}

export async function resetQueryStatistics(
  run: CommandRun,
  source: Pick<QueryStatisticsSource, 'reset'>,
  kind: 'statements' | 'tenants',
): Promise<undefined> {
  await run.value('SELECT pgloom.require_database_owner()')
  await source.reset(run.context.catalog.database, kind)
  return undefined
}

/** Values of the distribution column are the users' data. */
async function requireMonitor(run: CommandRun): Promise<void> {
  const mayRead = await run.value(
    `SELECT pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')
     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`,
  )
  if (mayRead === 't') return
  throw new RouterError(
    SqlState.insufficientPrivilege,
    'permission denied for view citus_stat_tenants',
    { hint: 'It is for members of pg_monitor and for the owner of the database.' },
  )
}

function warnOfSilent(run: CommandRun, { silent }: Found<unknown>): void {
  for (const number of silent)
    run.notice(`process ${number} did not answer: its counts are missing`)
}
