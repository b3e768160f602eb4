import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import type { Json } from '../base/across-processes.ts'

export type ProcessCounts = {
  /** Workers that serve clients now. */
  readonly ready: number
  /** How often one had to be started again. */
  readonly restarts: number
  /** Of those ready, so many did not answer: their part is missing in all sums. */
  readonly silent: number
}

/** One page for all processes: each is given by its Metrics.values(). Sums, but for what a sum says nothing of. */
export async function summedMetrics(
  ofProcesses: readonly Json[],
  { ready, restarts, silent }: ProcessCounts,
): Promise<string> {
  const own = new Registry()
  new Gauge({
    name: 'pgloom_processes',
    help: 'Processes that serve clients',
    registers: [own],
  }).set(ready)
  new Gauge({
    name: 'pgloom_processes_unanswered',
    help: 'Processes that did not answer in time: their figures are missing here',
    registers: [own],
  }).set(silent)
  new Counter({
    name: 'pgloom_process_restarts_total',
    help: 'How often a process that serves clients ended and was started again',
    registers: [own],
  }).inc(restarts)
  // not the cluster module's: any lists of metrics in prom-client's own form
  const summed = AggregatorRegistry.aggregate([...ofProcesses] as object[][] as object[])
  return `${await summed.metrics()}\n${await own.metrics()}`
}

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE
