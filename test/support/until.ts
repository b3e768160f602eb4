import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 50

/** Waits until `probe` gives a value other than undefined and false; throws what was missing at the deadline. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  let cause: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${deadlineMs} ms (${String(cause)})`, { cause })
    }
    await pause(POLL_MS)
  }
}
