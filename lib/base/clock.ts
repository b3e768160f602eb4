import { performance } from 'node:perf_hooks'

/** Milliseconds since the process began, with fractions. The global `performance` is a getter that each use runs through. */
export function nowMs(): number {
  return performance.now()
}
