import type { BackendConnection } from '../../backend/backend-connection.ts'
import { shardsByNode } from '../../catalog/node-shards.ts'
import type { DistinctExchange } from '../../planner/distinct-exchange-plan.ts'
import type { CombineQuery, ScatterSelect, WorkerQuery } from '../../planner/plan.ts'
import { isObject } from '../explain/explain-json.ts'
import type { Execution, StatementContext } from '../ports.ts'
import type { KeyReader } from '../route.ts'
import { type EstimatedPlan, estimateShard, type ShardEstimate } from '../shard-estimate.ts'
import { type Statement, sendStatements } from '../statement-request.ts'
import { isInexact, ownParameters } from './combined-query.ts'
import type { GatheredRows } from './gathered-rows.ts'
import { waitFor } from './relayed-rows.ts'
import { scatter } from './scatter.ts'
import { ScatterFlow } from './scatter-flow.ts'
import { scatterRequest } from './scatter-request.ts'
import { isQuickScatter } from './scatter-times.ts'
import { ValueSides } from './value-sides.ts'

const BINARY = [1]
const SETTING = 'citus.exchange_distinct_values'
/** Fewer values are gathered in no time. */
const MIN_VALUES = 50_000
/** A shard makes arrays of its values in memory. */
const MAX_SHARD_BYTES = 268_435_456
/** What is sorted at once, of each part, should be small; but a row for each part of few values would be in vain. */
const MAX_PARTS = 64
const MIN_PARTS = 4
const MIN_PART_VALUES = 8
const QUICK_MS = 10
/** Where most values are there once only, to group by them first is in vain. */
const MIN_REPEATS = 2

export type ExchangeRun = {
  readonly execution: Execution
  readonly context: StatementContext
  readonly keys: KeyReader
}

/** How DISTINCT values are exchanged. */
export type ChosenExchange = Pick<DistinctExchange, 'columns' | 'node' | 'combine'> & {
  /** What each shard is asked. */
  readonly worker: WorkerQuery
  /** Other aggregates are arrays, too. */
  readonly areLists: boolean
  readonly parts: number
}

/** By one shard's estimate. undefined: the coordinator gets the values. */
export async function chooseExchange(
  { distinctExchange, ...plan }: ScatterSelect,
  { execution, context }: ExchangeRun,
): Promise<ChosenExchange | undefined> {
  const { spare } = context
  if (distinctExchange === undefined) return undefined
  if (isQuickScatter(plan.worker, spare?.slowStartMs ?? QUICK_MS)) return undefined
  const estimate = await estimateShard(plan, execution, context, SETTING)
  if (estimate === undefined || !isWanted(estimate)) return undefined
  const exchange = distinctExchange()
  if (exchange === undefined) return undefined
  const parts = await chooseParts(exchange, plan, estimate, { execution, context })
  if (parts === undefined) return undefined
  const { values, distinct } = exchange.workers(parts)
  const grouped = repeats(estimate) ? distinct : undefined
  return { ...exchange, parts, worker: grouped ?? values, areLists: grouped !== undefined }
}

/** Groups of few values have fewer parts; undefined: too few. */
async function chooseParts(
  { groups }: DistinctExchange,
  plan: Omit<ScatterSelect, 'distinctExchange'>,
  { plan: whole = {}, setting }: ShardEstimate,
  { execution, context }: Pick<ExchangeRun, 'execution' | 'context'>,
): Promise<number | undefined> {
  if (groups === undefined) return MAX_PARTS
  const estimate = await estimateShard({ ...plan, ...groups }, execution, context)
  const groupCount = Number(estimate?.plan?.['Plan Rows'] ?? 1)
  const valueCount = Number(whole['Plan Rows'])
  for (let parts = MAX_PARTS; parts >= MIN_PARTS; parts /= 2) {
    if (groupCount * parts * MIN_PART_VALUES <= valueCount) return parts
  }
  return setting === 'always' ? MIN_PARTS : undefined
}

function isWanted({ plan = {}, shardCount, setting }: ShardEstimate): boolean {
  if (setting === 'never' || setting === 'always') return setting === 'always'
  const count = Number(plan['Plan Rows'])
  const rowBytes = Number(plan['Plan Width']) + 16
  return count * shardCount >= MIN_VALUES && inputRows(plan) * rowBytes <= MAX_SHARD_BYTES
}

function repeats({ plan = {} }: ShardEstimate): boolean {
  return inputRows(plan) >= Number(plan['Plan Rows']) * MIN_REPEATS
}

const GROUPING = new Set(['Aggregate', 'Group', 'Unique', 'Sort', 'Incremental Sort'])

/** Of what is grouped. */
function inputRows(plan: EstimatedPlan): number {
  const [below] = [plan['Plans']].flat().filter(isPlan)
  const isGrouping = GROUPING.has(String(plan['Node Type'])) || isGather(plan)
  return isGrouping && below !== undefined ? inputRows(below) : Number(plan['Plan Rows'])
}

function isGather(plan: EstimatedPlan): boolean {
  return String(plan['Node Type']).startsWith('Gather')
}

function isPlan(value: unknown): value is EstimatedPlan {
  return isObject(value as Parameters<typeof isObject>[0])
}

export type ValueExchange = ExchangeRun & {
  /** Takes what the nodes find; `flow` is its, and holds them back. */
  readonly gathered: GatheredRows
  readonly flow: ScatterFlow
  readonly failure: AbortController
}

/**
 * Sends the values to the nodes, and gathers what these find. Resolves with the query over that; undefined: the types
 * don't allow it.
 */
export async function exchangeValues(
  plan: ScatterSelect,
  exchange: ChosenExchange,
  run: ValueExchange,
): Promise<CombineQuery | undefined> {
  const { execution, context, keys, failure } = run
  const { columns, node: query, worker, areLists, parts } = exchange
  const signal = AbortSignal.any([context.signal, failure.signal])
  const once = { ...execution, keepsStatement: undefined }
  const request = await scatterRequest({ ...plan, ...worker }, once, context, keys, {
    resultFormats: BINARY,
    maxRows: 0,
    access: 'read',
  })
  const sending = new ScatterFlow()
  const sides = new ValueSides(context, sending, failure, {
    nodeIds: shardsByNode(request.shards).map(({ nodeId }) => nodeId),
    roles: columns,
    areLists,
    parts,
  })
  try {
    await scatter(request, context, sending, sides.readerFor, signal)
    await sides.described()
    if (sides.isUnfit || isInexact(query, sides.fields)) return undefined
    const connections = await sides.finish()
    const typeOids = sides.fields.map(({ typeOid }) => typeOid)
    const text = query.text(sides.source, typeOids, [])
    const parameters = await ownParameters(query, execution, context)
    const statements = connections.map((_, index): Statement => {
      const own = Buffer.from(sides.eachPart(text, index))
      return { text: own, parameters, resultFormats: BINARY, describes: true, maxRows: 0 }
    })
    await gatherFrom(connections, statements, run, signal)
    return exchange.combine
  } finally {
    await sides.leave()
  }
}

/** Throws the first error when all have ended. */
async function gatherFrom(
  connections: readonly BackendConnection[],
  statements: readonly Statement[],
  { gathered, flow, failure }: ValueExchange,
  signal: AbortSignal,
): Promise<void> {
  for (const connection of connections) flow.add(connection)
  const results = await Promise.allSettled(
    connections.map(async (connection, index) => {
      const reader = gathered.readerFor(connection)
      const own = statements.slice(index, index + 1)
      const answer = sendStatements(connection, own, reader, { positions: 'drop' })
      try {
        await waitFor(answer, connection, signal)
      } catch (error) {
        failure.abort(error)
        throw error
      }
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failure.signal.reason
}
