import type { BackendConnection } from '../../backend/backend-connection.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { ExplainPlan } from '../../planner/plan.ts'
import { readDataRow } from '../../wire/backend-messages.ts'
import { query } from '../node-client.ts'
import { parametersFor } from '../parameter-types.ts'
import type { Parameters, StatementContext } from '../ports.ts'
import { type Mending, mendMessage } from '../relay/error-rewriting.ts'
import { characterCount, type PositionMap } from '../relay/position-map.ts'
import { waitFor } from '../scatter/relayed-rows.ts'
import type { AnswerReader } from '../server-answer.ts'
import { sendStatements } from '../statement-request.ts'
import { isObject, type Json, parseJson } from './explain-json.ts'
import { isText, type ServerPlan } from './explain-plan.ts'

/** What servers are asked with; in front of each statement. Only text they format themselves. */
export function explainHead(plan: ExplainPlan, analyzes = plan.analyzes): string {
  const options = [
    ...(analyzes ? ['ANALYZE'] : []),
    ...(isText(plan) ? [] : ['FORMAT JSON']),
    ...(plan.options === '' ? [] : [plan.options]),
  ]
  return options.length === 0 ? 'EXPLAIN ' : `EXPLAIN (${options.join(', ')}) `
}

/** Takes the rows of EXPLAIN in; `take` gets each statement's plan when it is complete. */
export function planReader(
  plan: ExplainPlan,
  { client }: Pick<StatementContext, 'client'>,
  mending: Mending,
  take: (plan: ServerPlan) => void,
): AnswerReader {
  let lines: string[] = []
  return {
    row: (chunk, start, end) => {
      const [line] = readDataRow(chunk.subarray(start, end))
      lines.push(line?.toString('utf8') ?? '')
    },
    complete: () => {
      const read = lines
      lines = []
      take(isText(plan) ? readLines(read) : readTree(read.join('\n')))
    },
    notice: (chunk, start, end) => {
      const notice = mendMessage(chunk, start, end, mending)
      client.write(notice, 0, notice.length)
    },
  }
}

const GUARD = 'pgloom_guard'

/** Our own triggers are nobody's business. */
function readLines(lines: readonly string[]): ServerPlan {
  return {
    kind: 'text',
    lines: lines.filter((line) => !line.startsWith(`Trigger ${GUARD}`)),
  }
}

function readTree(text: string): ServerPlan {
  const document = parseJson(text)
  const query = [document].flat().find((item: Json) => isObject(item)) ?? {}
  if (!isObject(query)) return { kind: 'tree', query: {} }
  const triggers = query['Triggers']
  if (!Array.isArray(triggers)) return { kind: 'tree', query }
  const shown = triggers.filter((trigger: Json) => !isGuard(trigger))
  return { kind: 'tree', query: { ...query, Triggers: shown } }
}

function isGuard(trigger: Json): boolean {
  return isObject(trigger) && String(trigger['Trigger Name']).startsWith(GUARD)
}

/** One EXPLAIN on one connection; `text` begins with explainHead(). */
export async function explainOn(
  connection: BackendConnection,
  plan: ExplainPlan,
  text: Buffer,
  parameters: Parameters,
  context: StatementContext,
  mending: Mending = { positions: 'drop' },
): Promise<ServerPlan> {
  let explained: ServerPlan = { kind: 'text', lines: [] }
  const reader = planReader(plan, context, mending, (taken) => {
    explained = taken
  })
  const own = parametersFor(connection, { parameters }, context)
  const statement = { text, parameters: own, resultFormats: [], describes: false, maxRows: 0 }
  const answer = sendStatements(connection, [statement], reader, mending)
  await waitFor(answer, connection, context.signal)
  return explained
}

export type ExplainSettings = {
  readonly showsAllTasks: boolean
  /** Else by the task's shard. */
  readonly sortsByTime: boolean
}

export async function explainSettings(context: StatementContext): Promise<ExplainSettings> {
  const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.current_setting('citus.explain_all_tasks', true),
       pg_catalog.current_setting('citus.explain_analyze_sort_method', true)`,
  )
  const [all, sort] = rows[0] ?? []
  return { showsAllTasks: all === 'on', sortsByTime: sort !== 'taskId' }
}

/** The client's EXPLAIN, already as this server must get it, with the head that servers are asked with. */
export function withHead(plan: ExplainPlan, text: Buffer, positions: PositionMap): Buffer {
  const { start } = plan.statementText
  const head = Buffer.from(explainHead(plan))
  positions.lead = head.length - characterCount(text, 0, start)
  return Buffer.concat([head, text.subarray(start)])
}
