import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { type Catalog, oidKey } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { MirroredPlan } from '../../../planner/write/write-plans.ts'
import { keysOf } from '../../execution-keys.ts'
import { query } from '../../node-client.ts'
import type { CommandTag, Execution, StatementContext } from '../../ports.ts'
import { dropPulled, pull, pulledNames, pulledShown, readSettings } from '../../pull/pulled.ts'
import type { PulledTable } from '../../pull/pulled-table.ts'
import { PositionMap } from '../../relay/position-map.ts'
import { replacedText } from '../../relay/relay-on.ts'
import { notInOneStep } from '../../scatter/one-moment.ts'
import { relayedRows, waitFor } from '../../scatter/relayed-rows.ts'
import { sendStatements } from '../../statement-request.ts'
import { ChangeApplication } from './apply-changes.ts'
import { findChanges } from './changes.ts'
import { createMirror, dropMirror, type Mirror, mirrorAliases } from './mirror.ts'

/**
 * A write over mirrors of the tables that it changes. The rows that it may concern are locked first and read as they then are;
 * what it only reads is read after that. So nothing that it changes has changed since.
 */
export function runMirrored(
  plan: MirroredPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  if (context.moment !== undefined) throw notInOneStep()
  const run = { execution, context, isEmpty: false }
  return overMirrors(plan, run, (tables, coordinator) => evaluate(plan, tables, coordinator, run))
}

export type MirrorRun = {
  readonly execution: Execution
  readonly context: StatementContext
  /** Nothing is read, locked or changed: only the plan over such tables is wanted. */
  readonly isEmpty: boolean
}

/** `use` runs the statement over the mirrors, and does nothing else. */
export function overMirrors<T>(
  plan: MirroredPlan,
  { execution, context, isEmpty }: MirrorRun,
  use: (tables: MirrorTables, coordinator: BackendConnection) => Promise<T>,
): Promise<T> {
  return context.atomically(async () => {
    const { nodeId } = coordinatorOf(context.catalog)
    const coordinator = await context.connection(nodeId, 'write')
    const { allowance } = await readSettings(coordinator)
    const keys = keysOf(execution.text, execution.parameters)
    const mirrors: Mirror[] = []
    const filling = isEmpty ? undefined : { execution, context, keys, allowance }
    for (const target of plan.targets) {
      mirrors.push(await createMirror(coordinator, target, filling))
    }
    const pulled = await pull(plan.source, coordinator, allowance, { execution, context, isEmpty })
    context.watch(coordinator, plan.source.local)
    const result = await use({ mirrors, pulled }, coordinator)
    if (pulled.length > 0) await dropPulled(pulled, coordinator)
    if (!isEmpty) await apply(plan, mirrors, coordinator, context)
    for (const mirror of mirrors) await dropMirror(coordinator, mirror)
    return result
  })
}

export type MirrorTables = {
  readonly mirrors: readonly Mirror[]
  readonly pulled: readonly PulledTable[]
}

/** The client's own statement, and its answer. */
async function evaluate(
  plan: MirroredPlan,
  { mirrors, pulled }: MirrorTables,
  connection: BackendConnection,
  { execution, context }: { readonly execution: Execution; readonly context: StatementContext },
): Promise<CommandTag> {
  const positions = new PositionMap()
  const text = mirroredText(plan, { mirrors, pulled }, execution, positions)
  const { parameters, resultFormats, sendsRowDescription } = execution
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const mending = { positions, aliases: mirrors.flatMap(mirrorAliases) }
  const catalog = shown(plan, { mirrors, pulled }, context.catalog)
  const reader = relayedRows(
    connection,
    { client: context.client, catalog },
    sendsRowDescription,
    mending,
  )
  const answer = sendStatements(connection, [statement], reader, mending)
  await waitFor(answer, connection, context.signal)
  return answer.tag
}

/** The statement with the names of the tables that stand for the user's. */
export function mirroredText(
  plan: MirroredPlan,
  { mirrors, pulled }: MirrorTables,
  execution: Execution,
  positions: PositionMap,
): Buffer {
  const mirrored = plan.places.map(({ start, end, target, suffix }) => {
    const text = `${mirrors[target]?.scratch.qualifiedName ?? ''}${suffix}`
    return { start, end, text }
  })
  const replacements = [...pulledNames(plan.source, pulled), ...mirrored]
  const sorted = replacements.sort((a, b) => a.start - b.start)
  return replacedText(execution, sorted, positions)
}

/** Columns of the mirrors and the copies are the user's tables'. */
function shown(plan: MirroredPlan, { mirrors, pulled }: MirrorTables, catalog: Catalog): Catalog {
  const { nodeId } = coordinatorOf(catalog)
  const oids = mirrors.map(({ target, scratch }): [number, number] => [
    oidKey(nodeId, scratch.oid),
    target.table.oid,
  ])
  const { shellOids } = pulledShown(plan.source, pulled, catalog)
  return { ...catalog, shellOids: new Map([...shellOids, ...oids]) }
}

/**
 * Rows leave before others come, that may have their keys; but where rows only move, they meet those that were there, as they
 * would in one table. Referring rows leave first and come last.
 */
async function apply(
  { insertsFirst }: MirroredPlan,
  mirrors: readonly Mirror[],
  coordinator: BackendConnection,
  context: StatementContext,
): Promise<void> {
  const applications: ChangeApplication[] = []
  for (const mirror of await referredFirst(coordinator, mirrors)) {
    const changes = await findChanges(coordinator, mirror)
    applications.push(new ChangeApplication(changes, coordinator, context))
  }
  if (insertsFirst) for (const application of applications) await application.insert()
  if (!insertsFirst) for (const application of applications.toReversed()) await application.delete()
  for (const application of applications) await application.update()
  if (insertsFirst) for (const application of applications.toReversed()) await application.delete()
  if (!insertsFirst) for (const application of applications) await application.insert()
  for (const application of applications) await application.end()
}

/** Tables that others refer to come before these. */
async function referredFirst(
  coordinator: BackendConnection,
  mirrors: readonly Mirror[],
): Promise<readonly Mirror[]> {
  if (mirrors.length < 2) return mirrors
  const oids = mirrors.map(({ target }) => target.table.oid).join(', ')
  const { rows } = await query(
    coordinator,
    `SELECT conrelid, confrelid FROM pg_catalog.pg_constraint
     WHERE contype = 'f' AND conrelid IN (${oids}) AND confrelid IN (${oids}) AND conrelid <> confrelid`,
  )
  const ordered = new Set<Mirror>()
  const visit = (mirror: Mirror, above: readonly Mirror[]): void => {
    if (ordered.has(mirror) || above.includes(mirror)) return
    const own = rows.filter(([from]) => Number(from) === mirror.target.table.oid)
    for (const [, to] of own) {
      const referred = mirrors.find(({ target }) => target.table.oid === Number(to))
      if (referred !== undefined) visit(referred, [...above, mirror])
    }
    ordered.add(mirror)
  }
  for (const mirror of mirrors) visit(mirror, [])
  return [...ordered]
}
