import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { ServerError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import type { MirroredPlan } from '../../../planner/write/write-plans.ts'
import { errorFields } from '../../../wire/error-messages.ts'
import { query } from '../../node-client.ts'
import type { CommandTag, StatementContext } from '../../ports.ts'
import { dropPulled } from '../../pull/pulled.ts'
import { applyChanges, findAllChanges } from './apply-all.ts'
import { type Changes, shardIndex } from './changes.ts'
import { HeldAnswer } from './held-answer.ts'
import { dropMirror, type Mirror } from './mirror.ts'
import { ProposedRows } from './proposed-rows.ts'
import { evaluate, type MirrorRun, makeMirrors } from './statement-mirrors.ts'
import { isWithinShard } from './unique-indexes.ts'

/** Others may insert the same keys each time. */
const MAX_TRIES = 10
/** From then on all rows of the table are locked. */
const PATIENT_TRIES = 4
/** Cardinality, data, integrity, and what functions of the user's raise: with all rows at hand it may be otherwise. */
const OF_ROWS = /^(?:2[123]|38|39|P0)/
/** Rows of the statement itself meet: those that are there may come between. */
const OF_MEETING: ReadonlySet<string> = new Set([
  SqlState.cardinalityViolation,
  SqlState.uniqueViolation,
  SqlState.exclusionViolation,
])
const SAVEPOINT = 'pgloom_try'

/**
 * A statement with ON CONFLICT, over mirrors. Which rows are met depends on those that it makes, so it is tried: at first as if
 * none were there, then with those that were met, locked. A try whose rows the shards don't take for a key that is there
 * already is rolled back, on all servers; so is one that fails without having seen all. The last one's answer is the client's.
 */
export async function runTries(plan: MirroredPlan, run: MirrorRun): Promise<CommandTag> {
  const { context } = run
  const { nodeId } = coordinatorOf(context.catalog)
  const coordinator = await context.connection(nodeId, 'write')
  const tries = new ConflictTries(plan, run, coordinator)
  for (;;) {
    const held = new HeldAnswer(context.client)
    const tag = await tries.next(held)
    if (tag === undefined) continue
    await held.pass()
    return tag
  }
}

class ConflictTries {
  readonly #plan: MirroredPlan
  readonly #run: MirrorRun
  readonly #coordinator: BackendConnection
  readonly #proposed = new ProposedRows()
  #count = 0

  constructor(plan: MirroredPlan, run: MirrorRun, coordinator: BackendConnection) {
    this.#plan = plan
    this.#run = run
    this.#coordinator = coordinator
  }

  /** undefined: it doesn't count. */
  async next(held: HeldAnswer): Promise<CommandTag | undefined> {
    this.#run.context.signal.throwIfAborted()
    this.#count += 1
    const coordinator = this.#coordinator
    const proposed = this.#proposed
    await query(coordinator, `SAVEPOINT ${SAVEPOINT}`)
    const tables = await makeMirrors(this.#plan, this.#run, coordinator, proposed)
    const { execution, context } = this.#run
    const watched = { execution, context, client: held }
    let tag: CommandTag
    try {
      tag = await evaluate(this.#plan, tables, coordinator, watched)
    } catch (error) {
      const isKnown = proposed.needsAll || !isOfRows(error) || this.#isOfMaking(error)
      if (isKnown || this.#count >= MAX_TRIES) throw error
      proposed.needsAll = true
      await rollBack([coordinator])
      return undefined
    }
    const { mirrors, pulled } = tables
    if (pulled.length > 0) await dropPulled(pulled, coordinator)
    if (!(await this.#apply(mirrors))) return undefined
    for (const mirror of mirrors) await dropMirror(coordinator, mirror)
    await release([coordinator])
    return tag
  }

  /** The first try has met nobody: DO UPDATE was not evaluated, and what makes the rows would fail the same beside any others. */
  #isOfMaking(error: unknown): boolean {
    const mayBeOtherwise = error instanceof ServerError && OF_MEETING.has(error.sqlState)
    return this.#count === 1 && this.#plan.makesRowsFirst && !mayBeOtherwise
  }

  async #apply(mirrors: readonly Mirror[]): Promise<boolean> {
    const { context } = this.#run
    const coordinator = this.#coordinator
    if (await this.#mayMeetElsewhere(mirrors)) {
      await this.#learn(mirrors)
      return false
    }
    const found = await findAllChanges(coordinator, mirrors)
    const connections = await this.#writers(found)
    for (const connection of connections) await query(connection, `SAVEPOINT ${SAVEPOINT}`)
    try {
      await applyChanges(this.#plan, found, coordinator, context)
    } catch (error) {
      const meets = isMeeting(error, mirrors)
      const isOpen = meets || (!this.#proposed.needsAll && isOfRows(error))
      if (!isOpen || this.#count >= MAX_TRIES) throw error
      // what the statement did to other tables may follow from rows that it would have met
      this.#proposed.needsAll ||= !meets
      await rollBack(connections)
      await this.#learn(mirrors)
      return false
    }
    await release(connections)
    return true
  }

  /** Rows of different shards may meet, which none of these finds out by itself, and not all that the new ones meet are at hand. */
  async #mayMeetElsewhere(mirrors: readonly Mirror[]): Promise<boolean> {
    if (this.#proposed.needsAll) return false
    for (const mirror of mirrors) {
      const { rows, target } = mirror
      const elsewhere = rows?.view?.indexes.filter((index) => !isWithinShard(index, target.table))
      if (elsewhere === undefined || elsewhere.length === 0) continue
      if (this.#count === 1) return true
      if (await this.#proposed.hasOthers(this.#coordinator, mirror, elsewhere)) return true
    }
    return false
  }

  async #learn(mirrors: readonly Mirror[]): Promise<void> {
    for (const mirror of mirrors) await this.#proposed.remember(this.#coordinator, mirror)
    if (this.#count >= PATIENT_TRIES) this.#proposed.needsAll = true
    await rollBack([this.#coordinator])
  }

  /** Of all nodes where something is about to change, the coordinator first. */
  async #writers(found: readonly Changes[]): Promise<readonly BackendConnection[]> {
    const { context } = this.#run
    const nodeIds = new Set<number>()
    for (const changes of found) {
      const { table } = changes.mirror.target
      if (table.kind === 'reference') {
        for (const { nodeId } of context.catalog.nodes) nodeIds.add(nodeId)
        continue
      }
      const indexes = new Set(changes.counts.map(({ shard }) => shard))
      for (const index of await this.#arrivals(changes)) indexes.add(index)
      for (const { index, nodeId } of table.shards) if (indexes.has(index)) nodeIds.add(nodeId)
    }
    nodeIds.delete(this.#coordinator.node.nodeId)
    const others = await inTurn(
      [...nodeIds].sort((a, b) => a - b),
      context,
    )
    return [this.#coordinator, ...others]
  }

  async #arrivals({ mirror, insertedCount }: Changes): Promise<readonly number[]> {
    const { table } = mirror.target
    if (insertedCount === 0 || table.kind !== 'distributed') return []
    const { rows } = await query(
      this.#coordinator,
      `SELECT DISTINCT ${shardIndex(table)} FROM ONLY ${mirror.scratch.qualifiedName}`,
    )
    return rows.map(([index]) => Number(index))
  }
}

async function inTurn(
  nodeIds: readonly number[],
  context: StatementContext,
): Promise<readonly BackendConnection[]> {
  const connections: BackendConnection[] = []
  for (const nodeId of nodeIds) connections.push(await context.connection(nodeId, 'write'))
  return connections
}

function isOfRows(error: unknown): boolean {
  return error instanceof ServerError && OF_ROWS.test(error.sqlState)
}

/** A row that is there has the key of one that came. */
function isMeeting(error: unknown, mirrors: readonly Mirror[]): boolean {
  if (!(error instanceof ServerError) || error.sqlState !== SqlState.uniqueViolation) return false
  const table = errorFields(error.frame).get('t')
  return mirrors.some(({ target }) => target.conflicts !== undefined && target.table.name === table)
}

async function rollBack(connections: readonly BackendConnection[]): Promise<void> {
  for (const connection of connections) {
    await query(connection, `ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`)
  }
}

async function release(connections: readonly BackendConnection[]): Promise<void> {
  for (const connection of connections) await query(connection, `RELEASE SAVEPOINT ${SAVEPOINT}`)
}
