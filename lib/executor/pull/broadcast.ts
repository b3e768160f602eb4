import type { BackendConnection } from '../../backend/backend-connection.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type {
  BroadcastChoice,
  PulledPart,
  PulledPlan,
  PulledRows,
  ScatterSelect,
} from '../../planner/plan.ts'
import { broadcastName } from '../../planner/pull/broadcast-planner.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { keysOf } from '../execution-keys.ts'
import { query } from '../node-client.ts'
import type { CommandTag } from '../ports.ts'
import { allowedShards } from '../route.ts'
import { runScatterSelect } from '../select.ts'
import { type Chosen, chooseBroadcast, isWorthIt } from './broadcast-choice.ts'
import {
  createOn,
  eachNode,
  finishOn,
  type NodeTable,
  relayTo,
  resultColumns,
} from './broadcast-tables.ts'
import { gatherResult, type IntermediateResult } from './intermediate-result.ts'
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
  readonly broadcast: (broadcast: Broadcast) => Promise<T>
}

/**
 * A pulled statement, or rather: the rows of its small side come to all nodes as temporary tables, and those of the large one
 * stay in their shards. It is pulled where that isn't proven right, or not worth it.
 */
export function runPulledOrBroadcast(plan: PulledPlan, run: PulledRun): Promise<CommandTag> {
  const { execution, context } = run
  return overBroadcast(plan, run, {
    pulled: (tables, connection) => runOver(plan, tables, connection, run),
    broadcast: ({ scatter }) => {
      context.noteTier('combine')
      const keys = keysOf(execution.text, execution.parameters)
      return runScatterSelect(scatter, { ...execution, keepsStatement: false }, context, keys)
    },
  })
}

export function overBroadcast<T>(
  plan: PulledPlan,
  run: PulledRun,
  use: BroadcastUse<T>,
): Promise<T> {
  const { context } = run
  const { local, broadcasts } = plan
  const isPlain = local.isReadOnly && local.pin === undefined && !local.runsCode
  // temporary tables would keep the nodes from preparing what the client's transaction writes
  if (broadcasts === undefined || !isPlain || context.isInTransaction) {
    return overPulled(plan, run, use.pulled)
  }
  return context.atomically(async () => {
    await freeze(plan, run)
    const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
    const { snapshot, allowance, broadcasts: mode } = await readSettings(connection)
    if (snapshot !== undefined) return overPulled(plan, run, use.pulled)
    const filled = new Map<string, PulledTable>()
    const chosen = await chooseBroadcast(broadcasts, mode, run)
    if (chosen !== undefined) {
      const { execution, isEmpty = false } = run
      const keys = keysOf(execution.text, execution.parameters)
      const filling = { execution, context, keys, allowance }
      const sending = new Sending({ chosen, connection, mode, filling, isEmpty, filled })
      const broadcast = await sending.run()
      if (broadcast !== undefined) return use.broadcast(broadcast)
    }
    const known = (rows: PulledRows) => filled.get(pullKey(rows))
    const tables = await pull(plan, connection, allowance, { ...run, filled: known })
    context.watch(connection, local)
    return use.pulled(tables, connection)
  })
}

type SendingOptions = {
  readonly chosen: Chosen
  /** To the coordinator. */
  readonly connection: BackendConnection
  readonly mode: string
  readonly filling: Filling
  readonly isEmpty: boolean
  /** Takes what had been gathered when that turned out to be too much. */
  readonly filled: Map<string, PulledTable>
}

class Sending {
  readonly #options: SendingOptions
  readonly #nodeIds: readonly number[]
  readonly #tables: NodeTable[] = []
  #sentBytes = 0

  constructor(options: SendingOptions) {
    this.#options = options
    const { table, pins } = options.chosen.scatter
    const shards = allowedShards(table, pins, options.filling.keys)
    this.#nodeIds = [...new Set(shards.map(({ nodeId }) => nodeId))].sort((a, b) => a - b)
  }

  /** undefined: pull. */
  async run(): Promise<Broadcast | undefined> {
    const { choice, scatter } = this.#options.chosen
    for (const part of choice.parts) if (!(await this.#sendPart(part))) return undefined
    const parts = this.#tables.splice(0)
    for (const rows of choice.pulls) if (!(await this.#sendRows(rows))) return undefined
    const tables = [...this.#tables, ...parts]
    const named = withNames(scatter, tables)
    return { choice, scatter: named, tables, nodeCount: this.#nodeIds.length }
  }

  async #sendRows(rows: PulledRows): Promise<boolean> {
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
      this.#tables.push(table)
      return true
    }
    const result = await gatherResult(rows, filling)
    try {
      const { byteLength } = result
      const table = { name, columns, wanted: rows.columns, rows, byteLength }
      if (!this.#isWorthIt(byteLength)) {
        await this.#keep(rows, result)
        return false
      }
      await eachNode(this.#nodeIds, context, async (node) => {
        await createOn(node, table)
        await result.writeTo(node, table)
        await finishOn(node, table)
      })
      this.#tables.push(table)
      return true
    } finally {
      await result.release()
    }
  }

  #isWorthIt(byteLength: number): boolean {
    const { chosen, mode } = this.#options
    this.#sentBytes += byteLength
    const traffic = { sentBytes: this.#sentBytes, keptBytes: chosen.keptBytes }
    return isWorthIt(traffic, mode, this.#nodeIds.length)
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
  async #sendPart(part: PulledPart): Promise<boolean> {
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
    if (definitions === undefined || !this.#isWorthIt(byteLength)) return false
    const sent = { name, columns: definitions, wanted: undefined, rows: undefined, byteLength }
    await eachNode(this.#nodeIds, context, async (node) => {
      if (node !== connection) await createOn(node, sent)
    })
    for (const nodeId of isEmpty ? [] : this.#nodeIds) {
      await relayTo(nodeId, connection, sent, context)
    }
    this.#tables.push(sent)
    return true
  }
}

/** The plan with the names that the tables have this time. */
function withNames(scatter: ScatterSelect, tables: readonly NodeTable[]): ScatterSelect {
  const named = (text: string) =>
    tables.reduce(
      (sofar, { name }, index) =>
        sofar.replaceAll(broadcastName(index), name.slice(name.indexOf('.') + 1)),
      text,
    )
  const { worker, combine } = scatter
  const pieces = worker.pieces.map((piece) => Buffer.from(named(piece.toString())))
  const gathered = combine?.gathered
  const exact = () => {
    const other = gathered?.()
    if (other === undefined) throw new Error('there is no exact alternative')
    return other.kind === 'scatter' ? withNames(other, tables) : other
  }
  return {
    ...scatter,
    worker: { ...worker, pieces },
    combine: combine && { ...combine, gathered: gathered && exact },
  }
}
