const WINDOW_MS = 60_000
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 10_000
const MIN_CRASHES = 10
const CRASHES_A_PROCESS = 5

/** crash: it had been running, or died without a word. failed start: it said why, such as a server that is down. */
export type Ending = 'crash' | 'failed start'

/**
 * When a process that ended is started again: at once the first time, then after longer and longer; never, once there were
 * so many crashes within a minute that more of them won't help. What keeps a start from succeeding may well pass.
 */
export class RestartPolicy {
  readonly #limit: number
  readonly #now: () => number
  readonly #endings: { processNumber: number; ending: Ending; atMs: number }[] = []

  constructor(processes: number, now: () => number = Date.now) {
    this.#limit = Math.max(MIN_CRASHES, CRASHES_A_PROCESS * processes)
    this.#now = now
  }

  /** The delay in milliseconds; undefined: give up. */
  restartDelayMs(processNumber: number, ending: Ending): number | undefined {
    const nowMs = this.#now()
    const endings = this.#endings
    while ((endings[0]?.atMs ?? nowMs) < nowMs - WINDOW_MS) endings.shift()
    const own = endings.filter((one) => one.processNumber === processNumber).length
    endings.push({ processNumber, ending, atMs: nowMs })
    const crashes = endings.filter((one) => one.ending === 'crash').length
    if (crashes >= this.#limit) return undefined
    return own === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (own - 1), MAX_DELAY_MS)
  }
}
