import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { Plan, Replacement } from '../../planner/plan.ts'
import type { MaterializePlan } from '../../planner/views/materialize-plan.ts'
import { query } from '../node-client.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { PositionMap } from '../relay/position-map.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import { relayOn, replacedText, unchangedPositions } from '../relay/relay-on.ts'
import { tagCount } from '../server-answer.ts'

type CreatePlan = MaterializePlan & { readonly action: 'create' }
type RefreshPlan = MaterializePlan & { readonly action: 'refresh' }

/** Runs the statement that brings the answer. */
type RunFill = (plan: Plan, text: Buffer) => Promise<CommandTag>

/** A materialized view and the view of ours that keeps its query, both qualified and quoted. */
type Pair = { readonly name: string; readonly query: string; readonly owner: string }

/**
 * CREATE, REFRESH and changes of materialized views over distributed tables, on the coordinator in one transaction. Postgres
 * fills the view itself, with its own locks and checks, by the query that it knows: `SELECT … FROM pgloom_matview.q`.
 */
export function runMaterialize(
  plan: MaterializePlan,
  execution: Execution,
  context: StatementContext,
  runFill: RunFill,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const connection = await context.connection(nodeId, 'write')
    if (plan.action === 'create') return create(plan, execution, context, connection, runFill)
    if (plan.action === 'refresh') return refresh(plan, context, connection, runFill)
    const positions = unchangedPositions(execution)
    const tag = await relayOn(nodeId, 'write', execution, positions, context)
    await query(connection, 'SELECT pgloom.tend_materialized_views()')
    return tag
  })
}

async function create(
  plan: CreatePlan,
  execution: Execution,
  context: StatementContext,
  connection: BackendConnection,
  runFill: RunFill,
): Promise<CommandTag> {
  const { text } = execution
  const { start, end } = plan.query
  const own = `pgloom_matview.q_${randomBytes(8).toString('hex')}`
  await relay(execution, context, [
    { start: 0, end: start, text: `CREATE VIEW ${own}${plan.columns} AS ` },
    { start: end, end: text.length, text: '' },
  ])
  await relay(execution, context, [
    { start, end: text.length, text: ` SELECT * FROM ${own} WITH NO DATA` },
  ])
  const pair = await pairOf(connection, own)
  if (pair === undefined) {
    // IF NOT EXISTS
    await query(connection, `DROP VIEW ${own}`)
    return 'CREATE MATERIALIZED VIEW'
  }
  // as REFRESH will leave it
  const definition = await qualified(connection, `SELECT pg_get_viewdef('${own}'::regclass)`)
  await define(connection, own, definition)
  if (plan.fill === undefined) return 'CREATE MATERIALIZED VIEW'
  const refreshed = `REFRESH MATERIALIZED VIEW ${pair.name}`
  const tag = await fill(plan, { pair, definition, refreshed }, connection, runFill)
  return `SELECT ${tagCount(tag)}`
}

async function relay(
  execution: Execution,
  context: StatementContext,
  replacements: readonly Replacement[],
): Promise<void> {
  const { nodeId } = coordinatorOf(context.catalog)
  const positions = new PositionMap()
  const text = replacedText(execution, replacements, positions)
  await relayOn(nodeId, 'write', { ...execution, text }, positions, context)
}

async function refresh(
  plan: RefreshPlan,
  context: StatementContext,
  connection: BackendConnection,
  runFill: RunFill,
): Promise<CommandTag> {
  const { oid, query: own, name } = plan.view
  const qualifiedName = `pgloom_matview.${quoteIdentifier(own.name)}`
  await checkOwner(plan, connection)
  // one after the other: an older answer must not replace a newer one
  await query(connection, `COMMENT ON VIEW ${qualifiedName} IS NULL`)
  const pair = await pairOf(connection, qualifiedName, oid)
  if (pair === undefined) {
    throw new RouterError(
      SqlState.serializationFailure,
      `materialized view "${name}" was changed or dropped meanwhile`,
      { hint: 'Retry the statement.' },
    )
  }
  const words = plan.isConcurrent ? ' CONCURRENTLY' : ''
  const refreshed = `REFRESH MATERIALIZED VIEW${words} ${pair.name}`
  const { definition } = own
  await fill(plan, { pair, definition, refreshed }, connection, runFill)
  context.noteTier('pull')
  return 'REFRESH MATERIALIZED VIEW'
}

/** Postgres would run functions in the query as the owner, and fenced in; we run them as the session. */
async function checkOwner(
  { view: { oid, name }, fill: filling }: RefreshPlan,
  connection: BackendConnection,
): Promise<void> {
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relowner = current_user::pg_catalog.regrole
     FROM pg_catalog.pg_class c WHERE c.oid = ${oid}`,
  )
  const [isMember, isOwner] = rows[0] ?? []
  if (isMember === 'f') {
    throw new RouterError(
      SqlState.insufficientPrivilege,
      `must be owner of materialized view ${name}`,
    )
  }
  const inner = filling?.plan
  const runsCode = inner?.kind !== 'pulled' || inner.local.runsCode
  if (isOwner !== 'f' || !runsCode) return
  throw new RouterError(
    SqlState.featureNotSupported,
    `materialized view "${name}", whose query runs functions of its owner's, can only be refreshed by its owner`,
    { hint: 'Use SET ROLE first, if its functions are to be trusted.' },
  )
}

type Filling = {
  readonly pair: Pair
  readonly definition: string
  /** The REFRESH. */
  readonly refreshed: string
}

async function fill(
  { scratch, fill: filling }: CreatePlan | RefreshPlan,
  { pair, definition, refreshed }: Filling,
  connection: BackendConnection,
  runFill: RunFill,
): Promise<CommandTag> {
  if (filling === undefined) return ''
  // WITH NO DATA plans nothing, so that no guard is met
  await query(
    connection,
    `CREATE UNLOGGED TABLE ${scratch} AS SELECT * FROM ${pair.query} WITH NO DATA`,
  )
  const tag = await runFill(filling.plan, filling.text)
  await query(connection, `GRANT SELECT ON ${scratch} TO ${quoteIdentifier(pair.owner)}`)
  await define(connection, pair.query, `SELECT * FROM ${scratch}`)
  await query(connection, refreshed)
  await define(connection, pair.query, definition)
  await query(connection, `DROP TABLE ${scratch}`)
  return tag
}

/** `definition`: all names in it qualified, but for Postgres' own. */
async function define(
  connection: BackendConnection,
  view: string,
  definition: string,
): Promise<void> {
  await qualified(connection, `CREATE OR REPLACE VIEW ${view} AS ${definition}`)
}

/** Runs a statement under an empty search path and gives its first value. */
async function qualified(connection: BackendConnection, text: string): Promise<string> {
  const saved = await query(connection, "SELECT pg_catalog.current_setting('search_path')")
  const set = (path: string) =>
    query(connection, `SELECT pg_catalog.set_config('search_path', ${quoteLiteral(path)}, true)`)
  await set('')
  const { rows } = await query(connection, text)
  await set(saved.rows[0]?.[0] ?? '')
  return rows[0]?.[0] ?? ''
}

/** undefined: no (or another) materialized view reads it. */
async function pairOf(
  connection: BackendConnection,
  view: string,
  oid?: number,
): Promise<Pair | undefined> {
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.format('%I.%I', n.nspname, m.relname), pg_catalog.pg_get_userbyid(m.relowner), m.oid
     FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
     JOIN pg_catalog.pg_class m ON m.oid = w.ev_class AND m.relkind = 'm' JOIN pg_catalog.pg_namespace n ON n.oid = m.relnamespace
     WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjid = ${quoteLiteral(view)}::pg_catalog.regclass LIMIT 1`,
  )
  const [name, owner, found] = rows[0] ?? []
  if (name === undefined || owner === undefined) return undefined
  if (oid !== undefined && Number(found) !== oid) return undefined
  return { name, query: view, owner }
}
