import type { BroadcastChoice, ScatterSelect } from '../../planner/plan.ts'
import { pullKey } from '../../planner/pull/pull-planner.ts'
import { readDataRow } from '../../wire/backend-messages.ts'
import { keysOf } from '../execution-keys.ts'
import { isObject, parseJson } from '../explain/explain-json.ts'
import { parametersFor } from '../parameter-types.ts'
import { waitFor } from '../scatter/relayed-rows.ts'
import { scatterRequest } from '../scatter/scatter-request.ts'
import { sendStatements } from '../statement-request.ts'
import type { FilledRows, PulledRun } from './pulled.ts'

/** Less than this is pulled in no time. */
const MIN_KEPT_BYTES = 262_144
/** What a row takes in the wire's form beyond its values. */
const ROW_BYTES = 12

export type Traffic = { readonly sentBytes: number; readonly keptBytes: number }

/** What comes to all nodes is less than what else would come to one. `mode`: 'always' for tests. */
export function isWorthIt(
  { sentBytes, keptBytes }: Traffic,
  mode: string,
  nodeCount: number,
): boolean {
  if (mode === 'always') return true
  return keptBytes >= MIN_KEPT_BYTES && sentBytes * nodeCount < keptBytes
}

type Rated = Traffic & { readonly choice: BroadcastChoice }

export type Chosen = Rated & { readonly scatter: ScatterSelect }

/** By the servers' own estimates, the choice that sends least of those that can be run. undefined: pull. */
export async function chooseBroadcast(
  choices: () => readonly BroadcastChoice[],
  mode: string,
  run: PulledRun,
): Promise<Chosen | undefined> {
  if (mode === 'never') return undefined
  const estimates = new Estimates(run)
  const rated: Rated[] = []
  for (const choice of choices()) {
    const sent = [...choice.pulls, ...choice.parts.map(partRows)]
    const sentBytes = await estimates.sum(sent)
    const keptBytes = await estimates.sum(choice.kept)
    if (isWorthIt({ sentBytes, keptBytes }, mode, 2)) rated.push({ choice, sentBytes, keptBytes })
  }
  rated.sort((a, b) => a.sentBytes - b.sentBytes)
  for (const one of rated) {
    const scatter = one.choice.plan()
    if (scatter !== undefined) return { ...one, scatter }
  }
  return undefined
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
