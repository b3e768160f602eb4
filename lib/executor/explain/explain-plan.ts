import type { ExplainPlan } from '../../planner/plan.ts'
import type { QueryTier } from '../ports.ts'
import { isObject, type Json, type JsonObject, RawNumber } from './explain-json.ts'

/** What one server's EXPLAIN said: lines of text, or the query of its JSON (`Plan`, `Execution Time` …). */
export type ServerPlan =
  | { readonly kind: 'text'; readonly lines: readonly string[] }
  | { readonly kind: 'tree'; readonly query: JsonObject }

export type Task = {
  readonly nodeId: number
  readonly plan: ServerPlan
  /** Of rows in the wire's form; undefined: its rows were counted there and went nowhere. */
  readonly receivedBytes?: number | undefined
}

/** One statement on some shards. */
export type Job = {
  readonly tier: QueryTier
  readonly taskCount: number
  /** Of the table: those that aren't tasks were pruned. undefined: of no shard. */
  readonly shardCount: number | undefined
  /** Those that are shown. */
  readonly tasks: readonly Task[]
  readonly receivedBytes?: number | undefined
  /** DISTINCT values are aggregated on so many nodes, by hash; undefined: on the coordinator. */
  readonly exchangedOver?: number | undefined
}

/** Rows that are brought together before the statement runs. */
export type Subplan = {
  readonly name: string
  readonly relation: string
  readonly bytes: number | undefined
  /** How many get them; undefined: the coordinator alone. */
  readonly nodeCount?: number | undefined
  /** The column by whose values each row goes to one of them; undefined: all rows go to all. */
  readonly splitBy?: string | undefined
  readonly scan: DistributedScan
}

/** What we do ourselves, as a node of a plan. */
export type DistributedScan = {
  readonly provider: 'Citus Adaptive' | 'Citus INSERT ... SELECT'
  readonly method?: string
  readonly subplans?: readonly Subplan[]
  readonly job?: Job
  /** What feeds it, below this node. */
  readonly source?: DistributedScan
  /** On the coordinator, below this node. */
  readonly child?: ServerPlan
  /** undefined: it did not run. */
  readonly actual: ActualRun | undefined
}

export type ActualRun = { readonly milliseconds: number; readonly rows: number }

export type Showing = Pick<
  ExplainPlan,
  'analyzes' | 'format' | 'showsCosts' | 'showsTiming' | 'showsSummary'
>

export function isText({ format }: Pick<ExplainPlan, 'format'>): boolean {
  return format === 'text'
}

const ACTUAL = /\(actual (?:time=[\d.]+\.\.([\d.]+) )?rows=([\d.]+) loops=(\d+)\)/
const ESTIMATE = /\(cost=[\d.]+ rows=(\d+) /
const EXECUTION = /^Execution Time: ([\d.]+) ms$/

/** Rows that the statement gave; 0 where it wasn't run. */
export function actualRows(plan: ServerPlan): number {
  if (plan.kind === 'text') return Number(ACTUAL.exec(plan.lines[0] ?? '')?.[2] ?? 0)
  return numberOf(plan.query, 'Plan', 'Actual Rows')
}

/** Rows that it was thought to give; undefined: it did not say. */
export function estimatedRows(plan: ServerPlan): number | undefined {
  if (plan.kind === 'tree') return numberOf(plan.query, 'Plan', 'Plan Rows') || undefined
  const match = ESTIMATE.exec(plan.lines[0] ?? '')
  return match === null ? undefined : Number(match[1])
}

/** Rows that its ModifyTable was given to write; undefined: it has none. */
export function modifiedRows(plan: ServerPlan): number | undefined {
  if (plan.kind === 'tree') {
    const root = plan.query['Plan']
    const [child] = isObject(root) && Array.isArray(root['Plans']) ? (root['Plans'] as Json[]) : []
    return isObject(child) ? numberOf({ child }, 'child', 'Actual Rows') : undefined
  }
  const match = plan.lines
    .slice(1)
    .map((line) => ACTUAL.exec(line))
    .find((found) => found !== null)
  return match === undefined ? undefined : Number(match?.[2])
}

/** How long the server took; 0 where it did not say. */
export function executionTime(plan: ServerPlan): number {
  if (plan.kind === 'tree') {
    const { query } = plan
    return (
      numberOf({ query }, 'query', 'Execution Time') || numberOf(query, 'Plan', 'Actual Total Time')
    )
  }
  const summary = plan.lines.map((line) => EXECUTION.exec(line)).find((found) => found !== null)
  return Number(summary?.[1] ?? ACTUAL.exec(plan.lines[0] ?? '')?.[1] ?? 0)
}

function numberOf(object: JsonObject, key: string, inner: string): number {
  const value = object[key]
  const found = isObject(value) ? value[inner] : undefined
  return found instanceof RawNumber ? Number(found.digits) : 0
}

/** The same with other words in its strings: names of tables of ours. */
export function reworded(plan: ServerPlan, change: (text: string) => string): ServerPlan {
  if (plan.kind === 'text') return { kind: 'text', lines: plan.lines.map(change) }
  return { kind: 'tree', query: rewordedObject(plan.query, change) }
}

function rewordedObject(object: JsonObject, change: (text: string) => string): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, rewordedJson(value, change)]),
  )
}

function rewordedJson(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item: Json) => rewordedJson(item, change))
  return isObject(value) ? rewordedObject(value, change) : value
}
