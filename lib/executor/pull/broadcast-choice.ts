import type { ScatterSelect } from '../../planner/plan.ts'
import type { BroadcastChoice } from '../../planner/pull/broadcast-plans.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { estimateShard } from '../shard-estimate.ts'
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
    const key = pullKey(rows)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const bytes = await estimatedBytes(rows, this.#run)
    this.#known.set(key, bytes)
    return bytes
  }
}

async function estimatedBytes(
  rows: FilledRows,
  { execution, context }: PulledRun,
): Promise<number> {
  const estimate = await estimateShard(rows, execution, context)
  if (estimate === undefined) return 0
  const { plan, shardCount } = estimate
  if (plan === undefined) return Number.POSITIVE_INFINITY
  return Number(plan['Plan Rows']) * (Number(plan['Plan Width']) + ROW_BYTES) * shardCount
}
