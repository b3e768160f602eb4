import type { Catalog } from '../../catalog/catalog.ts'
import type { DistributedScan, Job, ServerPlan, Showing, Subplan, Task } from './explain-plan.ts'

const DETAIL = '  '
const CHILD = '->  '
const CHILD_DETAIL = '      '

/** `host=… port=… dbname=…` */
export function nodeName(nodeId: number, { nodes, database }: Catalog): string {
  const node = nodes.find((candidate) => candidate.nodeId === nodeId)
  return `host=${node?.host} port=${node?.port} dbname=${database}`
}

/** The node as the topmost of a plan, or with its children's indent below another's. */
export function scanLines(scan: DistributedScan, showing: Showing, catalog: Catalog): string[] {
  return [
    `Custom Scan (${scan.provider})${measures(scan, showing)}`,
    ...detailLines(scan, showing, catalog).map((line) => DETAIL + line),
  ]
}

/** As costs and times stand behind a node of Postgres' own. */
export function measures({ actual }: DistributedScan, showing: Showing): string {
  const costs = showing.showsCosts ? '  (cost=0.00..0.00 rows=0 width=0)' : ''
  if (actual === undefined) return costs
  const time = actual.milliseconds.toFixed(3)
  const times = showing.showsTiming ? `time=${time}..${time} ` : ''
  return `${costs} (actual ${times}rows=${actual.rows} loops=1)`
}

/** What stands below the node's own line. */
export function detailLines(scan: DistributedScan, showing: Showing, catalog: Catalog): string[] {
  const { method, subplans = [], job, source, child } = scan
  return [
    ...(method === undefined ? [] : [`INSERT/SELECT method: ${method}`]),
    ...subplans.flatMap((subplan) => subplanLines(subplan, showing, catalog)),
    ...(job === undefined ? [] : jobLines(job, catalog)),
    ...(source === undefined ? [] : nested(scanLines(source, showing, catalog))),
    ...(child === undefined ? [] : planLines(child)),
  ]
}

function subplanLines(subplan: Subplan, showing: Showing, catalog: Catalog): string[] {
  const { name, relation, bytes, scan } = subplan
  const details = [
    `Relation: ${relation}`,
    ...(bytes === undefined ? [] : [`Intermediate Data Size: ${bytes} bytes`]),
    `Result destination: ${destination(subplan)}`,
    ...nested(scanLines(scan, showing, catalog)),
  ]
  return [`${CHILD}Distributed Subplan ${name}`, ...details.map((line) => CHILD_DETAIL + line)]
}

/** As Citus says it. */
export function destination({ nodeCount, splitBy }: Subplan): string {
  if (splitBy !== undefined) return `Split by ${splitBy} over ${nodeCount} nodes`
  return nodeCount === undefined ? 'Write locally' : `Send to ${nodeCount} nodes`
}

function jobLines(job: Job, catalog: Catalog): string[] {
  const { tier, taskCount, shardCount, receivedBytes, exchangedOver, tasks } = job
  return [
    `Tier: ${tier}`,
    `Task Count: ${taskCount}`,
    ...(shardCount === undefined
      ? []
      : [`Shards Pruned: ${shardCount - taskCount} of ${shardCount}`]),
    ...(receivedBytes === undefined
      ? []
      : [`Tuple data received from nodes: ${receivedBytes} bytes`]),
    ...(exchangedOver === undefined
      ? []
      : [`Distinct Values: split by hash over ${exchangedOver} nodes`]),
    `Tasks Shown: ${shownTasks(job)}`,
    ...tasks.flatMap((task) => taskLines(task, catalog)),
  ]
}

export function shownTasks({ tasks, taskCount }: Job): string {
  return tasks.length === taskCount ? 'All' : `One of ${taskCount}`
}

function taskLines({ nodeId, plan, receivedBytes }: Task, catalog: Catalog): string[] {
  const details = [
    ...(receivedBytes === undefined
      ? []
      : [`Tuple data received from node: ${receivedBytes} bytes`]),
    `Node: ${nodeName(nodeId, catalog)}`,
    ...planLines(plan),
  ]
  return [`${CHILD}Task`, ...details.map((line) => CHILD_DETAIL + line)]
}

function planLines(plan: ServerPlan): string[] {
  return plan.kind === 'text' ? nested(plan.lines) : []
}

function nested(lines: readonly string[]): string[] {
  return lines.map((line, index) => `${index === 0 ? CHILD : '    '}${line}`)
}
