import type { ScatterSelect } from '../../planner/plan.ts'
import type { BroadcastChoice } from '../../planner/pull/broadcast-plans.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { readDataRow } from '../../wire/backend-messages.ts'
import { keysOf } from '../execution-keys.ts'
import { isObject, parseJson } from '../explain/explain-json.ts'
import { parametersFor } from '../parameter-types.ts'
import { waitFor } from '../scatter/relayed-rows.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { sendStatements } from '../statement-request.ts'
import { cost, isForced, isWorthIt, type JoinSettings, type Traffic } from './join-costs.ts'
import type { FilledRows, PulledRun } from './pulled.ts'

/** What a row takes in the wire's form beyond its values. */
const ROW_BYTES = 12

type Rated = Traffic & { readonly choice: BroadcastChoice }

export type Chosen = Rated & { readonly scatter: ScatterSelect }

/** By the servers' own estimates, the cheapest choice of those that can be run. undefined: pull. */
export async function chooseBroadcast(
  choices: () => readonly BroadcastChoice[],
  settings: JoinSettings,
  run: PulledRun,
): Promise<Chosen | undefined> {
  if (settings.broadcasts === 'never' && settings.repartitions === 'never') return undefined
  const estimates = new Estimates(run)
  const rated: Rated[] = []
  for (const choice of choices()) {
    const isSplit = (_: unknown, index: number) => choice.splits[index] !== undefined
    const toAll = choice.pulls.filter((rows, index) => !isSplit(rows, index))
    const traffic = {
      sentBytes: await estimates.sum([...toAll, ...choice.parts.map(partRows)]),
      splitBytes: await estimates.sum(choice.pulls.filter(isSplit)),
      keptBytes: await estimates.sum(choice.kept),
      splits: choice.splits.some((table) => table !== undefined),
      taskCount: taskCount(choice),
    }
    if (isWorthIt(traffic, settings, nodeCount(run))) rated.push({ choice, ...traffic })
  }
  rated.sort((a, b) => cost(a, nodeCount(run)) - cost(b, nodeCount(run)))
  rated.sort((a, b) => Number(isForced(b, settings)) - Number(isForced(a, settings)))
  for (const one of rated) {
    const scatter = one.choice.plan()
    if (scatter !== undefined) return { ...one, scatter }
  }
  return undefined
}

function taskCount({ kept, splits }: BroadcastChoice): number {
  const table = kept[0]?.table ?? splits.find((one) => one !== undefined)
  return table?.shards.length ?? 0
}

function nodeCount({ context }: PulledRun): number {
  return context.catalog.nodes.filter(({ shouldHaveShards }) => shouldHaveShards).length
}

function partRows({ scatter }: BroadcastChoice['parts'][number]): FilledRows {
  return { ...scatter, columns: [] }
}

class Estimates {
  readonly #run: PulledRun
  readonly #known = new Map<string, number>()

  constructor(run: PulledRun) {
    this.#run = run
  }

  async sum(rows: readonly FilledRows[]): Promise<number> {
    let sum = 0
    for (const one of rows) sum += await this.#bytes(one)
    return sum
  }

  async #bytes(rows: FilledRows): Promise<number> {
    const key = pullKey({ ...rows, needsPrimaryKey: false })
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const bytes = await estimatedBytes(rows, this.#run)
    this.#known.set(key, bytes)
    return bytes
  }
}

/** One shard says what it expects; the others are taken to be as large. */
async function estimatedBytes(
  rows: FilledRows,
  { execution, context }: PulledRun,
): Promise<number> {
  const keys = keysOf(execution.text, execution.parameters)
  const request = await scatterRequest(rows, execution, context, keys, {
    resultFormats: [],
    maxRows: 0,
    access: 'read',
  })
  const [shard] = request.shards
  if (shard === undefined) return 0
  const connection = await context.connection(shard.nodeId, 'read')
  const text = Buffer.concat([Buffer.from('EXPLAIN (FORMAT JSON) '), request.textFor(shard)])
  const parameters = parametersFor(connection, request, context)
  const lines: string[] = []
  const reader = {
    row: (chunk: Buffer, start: number, end: number) => {
      const [line] = readDataRow(chunk.subarray(start, end))
      lines.push(line?.toString('utf8') ?? '')
    },
  }
  const statement = { text, parameters, resultFormats: [], describes: false, maxRows: 0 }
  const answer = sendStatements(connection, [statement], reader, { positions: 'drop' })
  await waitFor(answer, connection, context.signal)
  return planBytes(lines.join('\n')) * request.shards.length
}

function planBytes(text: string): number {
  const document = [parseJson(text)].flat().find(isObject)
  const plan = document === undefined ? undefined : document['Plan']
  if (plan === undefined || !isObject(plan)) return Number.POSITIVE_INFINITY
  return Number(plan['Plan Rows']) * (Number(plan['Plan Width']) + ROW_BYTES)
}
