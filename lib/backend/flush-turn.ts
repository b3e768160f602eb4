/** Something with bytes to send. */
export interface Flushable {
  flushNow(): void
}

let dirty: Flushable[] = []
let isScheduled = false

/**
 * Everything that is written in one turn of the event loop, to all servers, leaves at the end of its poll phase:
 * one write a connection, one callback for all. setImmediate adds no latency there, unlike a timer. The caller
 * sees to it that it is on the list only once.
 */
export function flushThisTurn(target: Flushable): void {
  dirty.push(target)
  if (isScheduled) return
  isScheduled = true
  setImmediate(flushAll)
}

function flushAll(): void {
  isScheduled = false
  const targets = dirty
  dirty = []
  for (const target of targets) target.flushNow()
}
