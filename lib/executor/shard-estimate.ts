import { readDataRow } from '../wire/backend-messages.ts'
import { keysOf } from './execution-keys.ts'
import { isObject, parseJson } from './explain/explain-json.ts'
import { parametersFor } from './parameter-types.ts'
import type { Execution, StatementContext } from './ports.ts'
import { waitFor } from './scatter/relayed-rows.ts'
import { type ScatterPlan, scatterRequest } from './scatter/scatter-request.ts'
import { sendStatements } from './statement-request.ts'

export type EstimatedPlan = Readonly<Record<string, unknown>>

export type ShardEstimate = {
  /** undefined: it gave none that can be read. */
  readonly plan: EstimatedPlan | undefined
  readonly shardCount: number
  /** current_setting() of what was asked for, '' where it isn't set. */
  readonly setting: string
}

/** One shard says what it expects; the others are taken to be as large. undefined: there is none. */
export async function estimateShard(
  rows: ScatterPlan,
  execution: Execution,
  context: StatementContext,
  setting = 'citus.cluster_name',
): Promise<ShardEstimate | undefined> {
  const keys = keysOf(execution.text, execution.parameters)
  const request = await scatterRequest(rows, execution, context, keys, {
    resultFormats: [],
    maxRows: 0,
    access: 'read',
  })
  const [shard] = request.shards
  if (shard === undefined) return undefined
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
  const asked = { parameters, resultFormats: [], describes: false, maxRows: 0 }
  const statements = [
    { ...asked, text: settingText(setting), parameters: NO_PARAMETERS },
    { ...asked, text },
  ]
  const answer = sendStatements(connection, statements, reader, { positions: 'drop' })
  await waitFor(answer, connection, context.signal)
  const [value = '', ...others] = lines
  const document = [parseJson(others.join('\n'))].flat().find(isObject)
  const plan = document === undefined ? undefined : document['Plan']
  return {
    plan: isObject(plan) ? plan : undefined,
    shardCount: request.shards.length,
    setting: value,
  }
}

const NO_PARAMETERS = { types: [], formats: [], values: [] }

function settingText(name: string): Buffer {
  return Buffer.from(`SELECT coalesce(pg_catalog.current_setting('${name}', true), '')`)
}
