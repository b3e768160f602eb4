import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { DistributedTable } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { PulledPart, PulledPlan, PulledRows, ScatterSelect } from '../../planner/plan.ts'
import type { BroadcastChoice } from '../../planner/pull/broadcast-plans.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { keysOf } from '../execution-keys.ts'
import { query } from '../node-client.ts'
import type { CommandTag, StatementContext } from '../ports.ts'
import { allowedShards } from '../route.ts'
import { notInOneStep } from '../scatter/one-moment.ts'
import { runScatterSelect } from '../select.ts'
import { BesideContext } from './beside-context.ts'
import { type Chosen, chooseBroadcast } from './broadcast-choice.ts'
import { withNames } from './broadcast-names.ts'
import {
  createOn,
  eachNode,
  finishOn,
  type NodeTable,
  relayTo,
  resultColumns,
} from './broadcast-tables.ts'
import { cheaperRows } from './cheaper-rows.ts'
import { gatherResult, type IntermediateResult } from './intermediate-result.ts'
import { isWorthIt, type JoinSettings } from './join-costs.ts'
import {
  type Filling,
  fill,
  freeze,
  overPulled,
  type PulledRun,
  pull,
  readSettings,
  runOver,
  type UsePulled,
} from './pulled.ts'
import { createPartTable } from './pulled-part.ts'
import {
  addPrimaryKey,
  columnDefinition,
  createPulledTable,
  type PulledTable,
  pulledName,
} from './pulled-table.ts'
import { seesTheSameBeside } from './same-beside.ts'
import { splitRows, withTemporaryNames } from './split-rows.ts'
import { answerValues, type Rest } from './values-first.ts'

/** What is where it is needed: the plan can be run as it is, in this transaction. */
export type Broadcast = {
  readonly choice: BroadcastChoice
  readonly scatter: ScatterSelect
  /** Of its pulls, then of its parts. */
  readonly tables: readonly Pick<PulledTable, 'name' | 'byteLength'>[]
  readonly nodeCount: number
}

export type BroadcastUse<T> = {
  readonly pulled: UsePulled<T>
  /** `context`: in which the tables are. */
  readonly broadcast: (broadcast: Broadcast, context: StatementContext) => Promise<T>
  /** What is left when subqueries have been answered; if it is pulled, by `over`. */
  readonly rest: (rest: Rest, over: typeof overBroadcast<T>) => Promise<T>
}

/**
 * A pulled statement, or rather: the rows of its small side come to all nodes as temporary tables, and those of the large one
 * stay in their shards; or those of a large side, too, go to where their partners are. It is pulled where that isn't proven right, or not worth it.
 */
export function runPulledOrBroadcast(plan: PulledPlan, run: PulledRun): Promise<CommandTag> {
  return overBroadcast(plan, run, runningUse(plan, run))
}

function runningUse(plan: PulledPlan, run: PulledRun): BroadcastUse<CommandTag> {
  const { execution, context } = run
  return {
    pulled: (tables, connection) => runOver(plan, tables, connection, run),
    broadcast: ({ scatter }, own) => {
      context.noteTier('combine')
      const keys = keysOf(execution.text, execution.parameters)
      return runScatterSelect(scatter, { ...execution, keepsStatement: undefined }, own, keys)
    },
    rest: (rest, over) => {
      const own = { ...run, execution: rest.execution }
      const { plan: left } = rest
      if (left.kind === 'pulled') return over(left, own, runningUse(left, own))
      context.noteTier(left.combine === undefined ? 'scatter' : 'combine')
      const keys = keysOf(own.execution.text, own.execution.parameters)
      return runScatterSelect(left, own.execution, context, keys)
    },
  }
}

export function overBroadcast<T>(
  plan: PulledPlan,
  run: PulledRun,
  use: BroadcastUse<T>,
): Promise<T> {
  const { context } = run
  if (context.moment !== undefined) throw notInOneStep()
  if (!isPlainRead(plan)) return overPulled(plan, run, use.pulled)
  if (context.isInTransaction) return restOr(plan, run, use, overBroadcast, besideOrPulled)
  return context.atomically(async () => {
    await freeze(plan, run)
    return overFrozen(plan, run, use)
  })
}

function isPlainRead({ local, broadcasts }: PulledPlan): boolean {
  const isPlain = local.isReadOnly && local.pin === undefined && !local.runsCode
  return isPlain && broadcasts !== undefined
}

/** In a transaction of the statement's own, in which each node answers as of one moment. */
function overFrozen<T>(plan: PulledPlan, run: PulledRun, use: BroadcastUse<T>): Promise<T> {
  return restOr(plan, run, use, overFrozen, broadcastOrPulled)
}

async function restOr<T>(
  plan: PulledPlan,
  run: PulledRun,
  use: BroadcastUse<T>,
  over: typeof overBroadcast<T>,
  otherwise: typeof overBroadcast<T>,
): Promise<T> {
  const first = run.declaresCursor || !isPlainRead(plan) ? undefined : plan.values?.()
  const rest = first === undefined ? undefined : await answerValues(first, run)
  return rest === undefined ? otherwise(plan, run, use) : use.rest(rest, over)
}

async function broadcastOrPulled<T>(
  plan: PulledPlan,
  run: PulledRun,
  use: BroadcastUse<T>,
): Promise<T> {
  const { context } = run
  const { local, broadcasts } = plan
  const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
  const { snapshot, allowance, joins } = await readSettings(connection)
  if (snapshot !== undefined || broadcasts === undefined) return overPulled(plan, run, use.pulled)
  const filled = new Map<string, PulledTable>()
  const chosen = isPlainRead(plan) ? await chooseBroadcast(broadcasts, joins, run) : undefined
  if (chosen !== undefined) {
    const { execution, isEmpty = false } = run
    const keys = keysOf(execution.text, execution.parameters)
    const filling = { execution, context, keys, allowance }
    const sending = new Sending({ chosen, connection, joins, filling, isEmpty, filled })
    const broadcast = await sending.run()
    if (broadcast !== undefined) return use.broadcast(broadcast, context)
  }
  const known = (rows: PulledRows) => filled.get(pullKey(rows))
  const tables = await pull(plan, connection, allowance, { ...run, filled: known })
  context.watch(connection, local)
  return use.pulled(tables, connection)
}

/**
 * In a block: temporary tables would keep its nodes from preparing what the client's transaction writes. Beside it they may be made,
 * where that sees the same.
 */
async function besideOrPulled<T>(
  plan: PulledPlan,
  run: PulledRun,
  use: BroadcastUse<T>,
): Promise<T> {
  const { execution, context, declaresCursor, isEmpty = false } = run
  const { broadcasts } = plan
  const isOneMoment = context.consistently !== undefined || context.moment !== undefined
  if (declaresCursor || isOneMoment || broadcasts === undefined)
    return overPulled(plan, run, use.pulled)
  const { nodeId } = coordinatorOf(context.catalog)
  const { allowance, joins } = await readSettings(await context.connection(nodeId, 'read'))
  const chosen = await chooseBroadcast(broadcasts, joins, run)
  if (chosen === undefined || !(await seesTheSameBeside(plan, run))) {
    return overPulled(plan, run, use.pulled)
  }
  const beside = new BesideContext(context)
  let isAnswering = false
  try {
    await freeze(plan, { ...run, context: beside })
    const keys = keysOf(execution.text, execution.parameters)
    const filling = { execution, context: beside, keys, allowance }
    const connection = await beside.connection(nodeId)
    const filled = new Map<string, PulledTable>()
    const sending = new Sending({ chosen, connection, joins, filling, isEmpty, filled })
    const broadcast = await sending.run()
    isAnswering = broadcast !== undefined
    if (broadcast !== undefined) return await use.broadcast(broadcast, beside)
  } catch (error) {
    if (isAnswering || !hasWaitedForLock(error)) throw error
  } finally {
    await beside.end()
  }
  return overPulled(plan, run, use.pulled)
}

/** Perhaps behind somebody who waits for the block itself: in it there is no wait. */
function hasWaitedForLock(error: unknown): boolean {
  return error instanceof RouterError && error.sqlState === SqlState.lockNotAvailable
}

type SendingOptions = {
  readonly chosen: Chosen
  /** To the coordinator. */
  readonly connection: BackendConnection
  readonly joins: JoinSettings
  readonly filling: Filling
  readonly isEmpty: boolean
  /** Takes what had been gathered when that turned out to be too much. */
  readonly filled: Map<string, PulledTable>
}

class Sending {
  readonly #options: SendingOptions
  readonly #nodeIds: readonly number[]
  #sentBytes = 0

  constructor(options: SendingOptions) {
    this.#options = options
    const { table, pins } = options.chosen.scatter
    const shards = allowedShards(table, pins, options.filling.keys)
    this.#nodeIds = [...new Set(shards.map(({ nodeId }) => nodeId))].sort((a, b) => a - b)
  }

  /** undefined: pull. What may lead to that comes first. */
  async run(): Promise<Broadcast | undefined> {
    const { choice, scatter } = this.#options.chosen
    const { pulls, splits, parts } = choice
    const sent = new Map<PulledRows | PulledPart, NodeTable>()
    for (const part of parts) {
      const table = await this.#sendPart(part)
      if (table === undefined) return undefined
      sent.set(part, table)
    }
    for (const rows of pulls.filter((_, index) => splits[index] === undefined)) {
      const table = await this.#sendRows(rows)
      if (table === undefined) return undefined
      sent.set(rows, table)
    }
    for (const [index, rows] of pulls.entries()) {
      const split = splits[index]
      if (split !== undefined) sent.set(rows, await this.#splitRows(rows, split))
    }
    const tables = [...pulls, ...parts].flatMap((one) => sent.get(one) ?? [])
    const named = withNames(scatter, tables)
    return { choice, scatter: named, tables, nodeCount: this.#nodeIds.length }
  }

  async #sendRows(rows: PulledRows): Promise<NodeTable | undefined> {
    const { filling, isEmpty } = this.#options
    const columns = rows.table.columns.map(columnDefinition).join(', ')
    const name = pulledName()
    const { context } = filling
    if (isEmpty) {
      const table = { name, columns, wanted: rows.columns, rows, byteLength: 0 }
      await eachNode(this.#nodeIds, context, async (node) => {
        await createOn(node, table)
        await finishOn(node, table)
      })
      return table
    }
    const result = await gatherResult(await this.#cheaper(rows), filling)
    try {
      const { byteLength } = result
      const table = { name, columns, wanted: rows.columns, rows, byteLength }
      if (!this.#isWorthIt(byteLength)) {
        await this.#keep(rows, result)
        return undefined
      }
      await eachNode(this.#nodeIds, context, async (node) => {
        await createOn(node, table)
        await result.writeTo(node, table)
        await finishOn(node, table)
      })
      return table
    } finally {
      await result.release()
    }
  }

  async #splitRows(rows: PulledRows, planned: DistributedTable): Promise<NodeTable> {
    const { filling, isEmpty, chosen } = this.#options
    const { table, pins } = chosen.scatter
    const wanted = new Set(allowedShards(table, pins, filling.keys).map(({ index }) => index))
    const name = pulledName()
    const split = withTemporaryNames(planned, name)
    const shards = split.shards.filter(({ index }) => wanted.has(index))
    const asked = isEmpty ? rows : await this.#cheaper(rows)
    const byteLength = await splitRows({ rows: asked, table: split, shards, isEmpty }, filling)
    return { name, columns: '', wanted: rows.columns, rows, byteLength, split }
  }

  async #cheaper(rows: PulledRows): Promise<PulledRows> {
    if (rows.unjoined === undefined) return rows
    return (await cheaperRows(rows, this.#options.filling)).rows
  }

  #isWorthIt(byteLength: number): boolean {
    const { chosen, joins } = this.#options
    this.#sentBytes += byteLength
    return isWorthIt({ ...chosen, sentBytes: this.#sentBytes }, joins, this.#nodeIds.length)
  }

  /** The pull needs the same rows, on the coordinator. */
  async #keep(rows: PulledRows, result: IntermediateResult): Promise<void> {
    const { connection, filled } = this.#options
    const table = await createPulledTable(connection, rows)
    await result.writeTo(connection, { ...table, wanted: rows.columns })
    if (rows.needsPrimaryKey) await addPrimaryKey(connection, table, rows)
    filled.set(pullKey(rows), { ...table, byteLength: result.byteLength })
  }

  /** The coordinator makes the part's answer, which then goes to the nodes. */
  async #sendPart(part: PulledPart): Promise<NodeTable | undefined> {
    const { connection, filling, isEmpty } = this.#options
    const { context, allowance } = filling
    const table = await createPartTable(connection, part)
    const before = allowance.left
    if (!isEmpty)
      await fill(table, { ...table.scatter, columns: table.columns }, connection, filling)
    const byteLength = before - allowance.left
    const name = pulledName()
    const columns = part.names.map((_, index) => `c${index + 1}`).join(', ')
    await query(
      connection,
      `CREATE TEMPORARY TABLE ${name} (${columns}) ON COMMIT DROP AS ${table.text}`,
    )
    const definitions = await resultColumns(connection, name)
    if (definitions === undefined || !this.#isWorthIt(byteLength)) return undefined
    const sent = { name, columns: definitions, wanted: undefined, rows: undefined, byteLength }
    await eachNode(this.#nodeIds, context, async (node) => {
      if (node !== connection) await createOn(node, sent)
    })
    for (const nodeId of isEmpty ? [] : this.#nodeIds) {
      await relayTo(nodeId, connection, sent, context)
    }
    return sent
  }
}
