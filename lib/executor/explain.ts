import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Shard } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type {
  ExplainPlan,
  Replacement,
  RoutedStatement,
  ScatterModify,
  ScatterSelect,
} from '../planner/plan.ts'
import { refusalError } from '../planner/refusals.ts'
import { readDataRow, writeDataRow } from '../wire/backend-messages.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { writeRowDescription } from '../wire/row-description.ts'
import { pickParameters } from './bound-parameters.ts'
import { keysOf } from './execution-keys.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import { PositionMap } from './position-map.ts'
import { relayOn, replacedText } from './relay-on.ts'
import { waitFor } from './relayed-rows.ts'
import { allowedShards, type KeyReader, resolvePins } from './route.ts'
import { routedShard } from './routed.ts'
import { ShardStatement } from './shard-statement.ts'
import { textForShard } from './shard-text.ts'
import { sendStatements } from './statement-request.ts'

const TEXT_TYPE = 25

/** EXPLAIN as Citus shows it: a summary, and the plan of the one shard, or of the first of them. */
export async function runExplain(
  plan: ExplainPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { statement } = plan
  switch (statement.kind) {
    case 'refusal':
      throw refusalError(statement)
    case 'local':
      return runHere(statement.replacements, plan.analyzes, execution, context)
    case 'reference-write':
      if (plan.analyzes) throw notExplained('a write to a reference table with ANALYZE')
      return runHere([], false, execution, context)
    case 'select':
    case 'modify':
    case 'insert-rows': {
      // the inner plan counts literals and places from the start of the whole text
      const keys = keysOf(execution.text, execution.parameters)
      const shard = routedShard(statement.routed, resolvePins(statement.routed.pins, keys))
      if (shard !== undefined) return runOnShard(plan, statement.routed, shard, execution, context)
      if (statement.kind === 'insert-rows') throw notExplained('an INSERT into several shards')
      const multi = statement.multi()
      if (multi.kind === 'refusal') throw refusalError(multi)
      if (multi.kind === 'pulled' || multi.kind === 'insert-through-scratch') {
        throw notExplained('rows that are brought together first')
      }
      return explainScatter(plan, multi, execution, context, keys)
    }
    case 'pulled':
      throw notExplained('rows that are brought together first')
    case 'insert-through-scratch':
    case 'copy':
    case 'copy-query':
    case 'ddl':
    case 'function':
    case 'function-query':
    case 'lock':
    case 'explain':
    case 'declare-cursor':
    case 'session':
      throw notExplained('this statement')
  }
}

function runHere(
  replacements: readonly Replacement[],
  writes: boolean,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { nodeId } = coordinatorOf(context.catalog)
  const positions = new PositionMap()
  const text = replacedText(execution, replacements, positions)
  const access = writes ? 'write' : 'read'
  return relayOn(nodeId, access, { ...execution, text }, positions, context)
}

function notExplained(what: string): RouterError {
  return new RouterError(SqlState.featureNotSupported, `EXPLAIN of ${what} is not supported`, {
    hint: 'Explain a statement with one value of the distribution column.',
  })
}

/** The EXPLAIN as written, spliced for the shard. Formats other than text are the shard's own, without a summary. */
async function runOnShard(
  { analyzes, format }: ExplainPlan,
  routed: RoutedStatement,
  shard: Shard,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const positions = new PositionMap()
  const statement = new ShardStatement(execution.text, routed.splices)
  const text = statement.textFor(shard.index, positions, execution.positionBase)
  const access = analyzes && !routed.isReadOnly ? 'write' : 'read'
  const own = { ...execution, text }
  if (format !== 'text') return relayOn(shard.nodeId, access, own, positions, context)
  const lines = await planLines(shard, own, access, positions, context)
  return writeLines(taskLines(shard, 1, lines, context), execution, context)
}

async function explainScatter(
  plan: ExplainPlan,
  multi: ScatterSelect | ScatterModify,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  if (plan.analyzes) throw notExplained('several shards with ANALYZE')
  if (plan.format !== 'text') throw notExplained(`several shards in format ${plan.format}`)
  const shards = allowedShards(multi.table, multi.pins, keys)
  const [shard] = shards
  if (shard === undefined) throw new Error('a table without shards')
  const extra = multi.usesTransactionTime ? [await context.transactionTime()] : []
  const lines = await planLines(
    shard,
    {
      ...execution,
      text: Buffer.concat([explainPrefix(plan), textForShard(multi.worker, shard)]),
      parameters: pickParameters(execution.parameters, multi.parameters, extra),
    },
    'read',
    'drop',
    context,
  )
  return writeLines(taskLines(shard, shards.length, lines, context), execution, context)
}

function taskLines(
  { nodeId }: Shard,
  taskCount: number,
  lines: readonly string[],
  { catalog }: StatementContext,
): readonly string[] {
  const node = catalog.nodes.find((candidate) => candidate.nodeId === nodeId)
  return [
    'Custom Scan (Citus Adaptive)',
    `  Task Count: ${taskCount}`,
    `  Tasks Shown: ${taskCount === 1 ? 'All' : `One of ${taskCount}`}`,
    '  ->  Task',
    `        Node: host=${node?.host} port=${node?.port} dbname=${catalog.database}`,
    ...lines.map((line, index) => `        ${index === 0 ? '->  ' : '    '}${line}`),
  ]
}

function explainPrefix({ options }: ExplainPlan): Buffer {
  return Buffer.from(options === '' ? 'EXPLAIN ' : `EXPLAIN (${options}) `)
}

async function planLines(
  shard: Shard,
  { text, parameters }: Execution,
  access: 'read' | 'write',
  positions: PositionMap | 'drop',
  context: StatementContext,
): Promise<string[]> {
  const connection = await context.connection(shard.nodeId, access)
  const lines: string[] = []
  const statement = {
    text,
    parameters,
    resultFormats: [],
    describes: false,
    maxRows: 0,
  }
  const reader = {
    row: (chunk: Buffer, start: number, end: number) => {
      const [line] = readDataRow(chunk.subarray(start, end))
      lines.push(line?.toString('utf8') ?? '')
    },
  }
  const answer = sendStatements(connection, [statement], reader, { positions })
  await waitFor(answer, connection, context.signal)
  return lines
}

function writeLines(
  lines: readonly string[],
  execution: Execution,
  { client }: StatementContext,
): CommandTag {
  const out = new FrameWriter()
  if (execution.sendsRowDescription) {
    const field = {
      tableOid: 0,
      attributeNumber: 0,
      typeOid: TEXT_TYPE,
      typeSize: -1,
      typeModifier: -1,
    }
    writeRowDescription(out, [{ name: 'QUERY PLAN', ...field, format: 0 }])
  }
  for (const line of lines) writeDataRow(out, [line])
  const frames = out.take()
  client.write(frames, 0, frames.length)
  return 'EXPLAIN'
}
