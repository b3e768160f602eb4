import { nowMs } from '../../base/clock.ts'
import type { ShardText } from '../../planner/plan.ts'

/** On a busy machine many runs in a row take any time, and more connections would make it busier. */
const REMEMBERED_RUNS = 32

type Runs = { readonly durationsMs: Float64Array; next: number }

const runsOf = new WeakMap<ShardText, Runs>()
let running = 0

/** A statement begins to run on several nodes. Returns when, for scatterEnded(). */
export function scatterBegan(atMs = nowMs()): number {
  running++
  return atMs
}

/**
 * `worker`: what is kept on the servers, if all went well. Those that run at the same time take turns on the same machines, so
 * each is counted with its share of the time only: more connections would not have made it quicker.
 */
export function scatterEnded(
  worker: ShardText | undefined,
  beganAtMs: number,
  atMs = nowMs(),
): void {
  if (worker !== undefined) note(worker, (atMs - beganAtMs) / running)
  running--
}

function note(worker: ShardText, shareMs: number): void {
  let runs = runsOf.get(worker)
  if (runs === undefined) {
    runs = { durationsMs: new Float64Array(REMEMBERED_RUNS).fill(shareMs), next: 0 }
    runsOf.set(worker, runs)
  }
  runs.durationsMs[runs.next] = shareMs
  runs.next = (runs.next + 1) % REMEMBERED_RUNS
}

/** Some of the last runs took less than that; what has not run yet did not. */
export function isQuickScatter(worker: ShardText, limitMs: number): boolean {
  const durationsMs = runsOf.get(worker)?.durationsMs
  if (durationsMs === undefined) return false
  for (let index = 0; index < REMEMBERED_RUNS; index++) {
    if ((durationsMs[index] ?? limitMs) < limitMs) return true
  }
  return false
}
