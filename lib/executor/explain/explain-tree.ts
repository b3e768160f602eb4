import type { Catalog } from '../../catalog/catalog.ts'
import { type Json, type JsonObject, RawNumber } from './explain-json.ts'
import type { DistributedScan, Job, ServerPlan, Showing, Subplan, Task } from './explain-plan.ts'
import { destination, nodeName, shownTasks } from './explain-text.ts'

/** The node as EXPLAIN (FORMAT JSON) has it. */
export function scanTree(scan: DistributedScan, showing: Showing, catalog: Catalog): JsonObject {
  return {
    'Node Type': 'Custom Scan',
    ...providerTree(scan),
    'Parallel Aware': false,
    'Async Capable': false,
    ...measuresTree(scan, showing),
    ...detailsTree(scan, showing, catalog),
  }
}

export function providerTree({ provider }: DistributedScan): JsonObject {
  return { 'Custom Plan Provider': provider }
}

function measuresTree({ actual }: DistributedScan, showing: Showing): JsonObject {
  const zero = new RawNumber('0.00')
  const none = new RawNumber('0')
  const costs = { 'Startup Cost': zero, 'Total Cost': zero, 'Plan Rows': none, 'Plan Width': none }
  const time = new RawNumber((actual?.milliseconds ?? 0).toFixed(3))
  const times = { 'Actual Startup Time': time, 'Actual Total Time': time }
  return {
    ...(showing.showsCosts ? costs : {}),
    ...(actual !== undefined && showing.showsTiming ? times : {}),
    ...(actual === undefined
      ? {}
      : { 'Actual Rows': new RawNumber(String(actual.rows)), 'Actual Loops': new RawNumber('1') }),
  }
}

export function detailsTree(
  { method, subplans = [], job, source, child }: DistributedScan,
  showing: Showing,
  catalog: Catalog,
): JsonObject {
  const shownSubplans = subplans.map((subplan) => subplanTree(subplan, showing, catalog))
  const query: JsonObject = {
    ...(subplans.length === 0 ? {} : { Subplans: shownSubplans }),
    ...(job === undefined ? {} : { Job: jobTree(job, catalog) }),
  }
  return {
    ...(method === undefined ? {} : { 'INSERT/SELECT method': method }),
    ...(Object.keys(query).length === 0 ? {} : { 'Distributed Query': query }),
    ...(source === undefined ? {} : { Plans: [scanTree(source, showing, catalog)] }),
    ...(child?.kind === 'tree' ? { Plans: [child.query['Plan'] ?? {}] } : {}),
  }
}

function subplanTree(subplan: Subplan, showing: Showing, catalog: Catalog): JsonObject {
  const { name, relation, bytes, scan } = subplan
  return {
    'Subplan Name': `Distributed Subplan ${name}`,
    Relation: relation,
    ...(bytes === undefined ? {} : { 'Intermediate Data Size': `${bytes} bytes` }),
    'Result destination': destination(subplan),
    Plan: scanTree(scan, showing, catalog),
  }
}

function jobTree(job: Job, catalog: Catalog): JsonObject {
  const { tier, taskCount, shardCount, receivedBytes, exchangedOver, tasks } = job
  return {
    Tier: tier,
    'Task Count': new RawNumber(String(taskCount)),
    ...(shardCount === undefined
      ? {}
      : { 'Shards Pruned': new RawNumber(String(shardCount - taskCount)) }),
    ...(receivedBytes === undefined
      ? {}
      : { 'Tuple data received from nodes': `${receivedBytes} bytes` }),
    ...(exchangedOver === undefined
      ? {}
      : { 'Distinct Values': `split by hash over ${exchangedOver} nodes` }),
    'Tasks Shown': shownTasks(job),
    Tasks: tasks.map((task) => taskTree(task, catalog)),
  }
}

function taskTree({ nodeId, plan, receivedBytes }: Task, catalog: Catalog): JsonObject {
  return {
    ...(receivedBytes === undefined
      ? {}
      : { 'Tuple data received from node': `${receivedBytes} bytes` }),
    Node: nodeName(nodeId, catalog),
    'Remote Plan': [[remoteQuery(plan)]],
  }
}

function remoteQuery(plan: ServerPlan): Json {
  return plan.kind === 'tree' ? plan.query : {}
}
