import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { type Catalog, oidKey } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { Replacement } from '../../../planner/plan.ts'
import type { ConflictConstraint, MirroredPlan } from '../../../planner/write/write-plans.ts'
import { keysOf } from '../../execution-keys.ts'
import type { ClientPort, CommandTag, Execution, StatementContext } from '../../ports.ts'
import { pull, pulledNames, pulledShown, readSettings } from '../../pull/pulled.ts'
import type { PulledTable } from '../../pull/pulled-table.ts'
import { PositionMap } from '../../relay/position-map.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { replacedText } from '../../relay/relay-on.ts'
import { relayedRows, waitFor } from '../../scatter/relayed-rows.ts'
import { sendStatements } from '../../statement-request.ts'
import { createMirror, type Mirror, mirrorAliases, mirrorName } from './mirror.ts'
import { ProposedRows } from './proposed-rows.ts'

export type MirrorRun = {
  readonly execution: Execution
  readonly context: StatementContext
  /** Nothing is read, locked or changed: only the plan over such tables is wanted. */
  readonly isEmpty: boolean
}

export type MirrorTables = {
  readonly mirrors: readonly Mirror[]
  readonly pulled: readonly PulledTable[]
}

/** Rows that may be changed are locked before others are read. */
export async function makeMirrors(
  plan: MirroredPlan,
  { execution, context, isEmpty }: MirrorRun,
  coordinator: BackendConnection,
  proposed: ProposedRows = new ProposedRows(),
): Promise<MirrorTables> {
  const { allowance } = await readSettings(coordinator)
  const keys = keysOf(execution.text, execution.parameters)
  const mirrors: Mirror[] = []
  const filling = isEmpty ? undefined : { execution, context, keys, allowance }
  for (const target of plan.targets) {
    mirrors.push(await createMirror(coordinator, target, filling, proposed))
  }
  const pulled = await pull(plan.source, coordinator, allowance, { execution, context, isEmpty })
  context.watch(coordinator, plan.source.local)
  return { mirrors, pulled }
}

export type Evaluation = {
  readonly execution: Execution
  readonly context: StatementContext
  /** Who gets the answer; absent: the context's. */
  readonly client?: ClientPort
}

/** The client's own statement, and its answer. */
export async function evaluate(
  plan: MirroredPlan,
  { mirrors, pulled }: MirrorTables,
  connection: BackendConnection,
  { execution, context, client = context.client }: Evaluation,
): Promise<CommandTag> {
  const positions = new PositionMap()
  const text = mirroredText(plan, { mirrors, pulled }, execution, positions)
  const { parameters, resultFormats, sendsRowDescription } = execution
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const mending = { positions, aliases: mirrors.flatMap(mirrorAliases) }
  const catalog = shown(plan, { mirrors, pulled }, context.catalog)
  const reader = relayedRows(connection, { client, catalog }, sendsRowDescription, mending)
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
    const mirror = mirrors[target]
    return { start, end, text: `${mirror === undefined ? '' : mirrorName(mirror)}${suffix}` }
  })
  const constraints = plan.constraints.flatMap((one) => arbiter(one, mirrors))
  const replacements = [...pulledNames(plan.source, pulled), ...mirrored, ...constraints]
  const sorted = replacements.sort((a, b) => a.start - b.start)
  return replacedText(execution, sorted, positions)
}

/** What the constraint is about; one that there is not is for Postgres to name. */
function arbiter(
  { start, end, target, name }: ConflictConstraint,
  mirrors: readonly Mirror[],
): readonly Replacement[] {
  const indexes = mirrors[target]?.rows?.view?.indexes ?? []
  const index = indexes.find(({ constraint }) => constraint === name)
  if (index === undefined) return []
  return [{ start, end, text: `(${index.columns.map(quoteIdentifier).join(', ')})` }]
}

/** Columns of the mirrors and the copies are the user's tables'. */
function shown(plan: MirroredPlan, { mirrors, pulled }: MirrorTables, catalog: Catalog): Catalog {
  const { nodeId } = coordinatorOf(catalog)
  const oids = mirrors.map(({ target, scratch, rows }): [number, number] => [
    oidKey(nodeId, rows?.view?.oid ?? scratch.oid),
    target.table.oid,
  ])
  const { shellOids } = pulledShown(plan.source, pulled, catalog)
  return { ...catalog, shellOids: new Map([...shellOids, ...oids]) }
}
