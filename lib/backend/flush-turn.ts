import { nowMs } from '../base/clock.ts'

/** Something with bytes to send. */
export interface Flushable {
  flushNow(): void
}

let dirty: Flushable[] = []
let isScheduled = false
let beganAtMs = 0

/**
 * Everything that is written in one turn of the event loop, to all servers, leaves at the end of its poll phase:
 * one write a connection, one callback for all. setImmediate adds no latency there, unlike a timer. The caller
 * sees to it that it is on the list only once.
 */
export function flushThisTurn(target: Flushable): void {
  dirty.push(target)
  if (isScheduled) return
  isScheduled = true
  beganAtMs = nowMs()
  setImmediate(flushAll)
}

/**
 * When this turn began to write, or `atMs` if it hasn't: what a server has answered since then may not have been read yet, so it
 * can't be called late.
 */
export function turnBeganMs(atMs: number): number {
  return isScheduled ? beganAtMs : atMs
}

function flushAll(): void {
  isScheduled = false
  const targets = dirty
  dirty = []
  for (const target of targets) target.flushNow()
}
