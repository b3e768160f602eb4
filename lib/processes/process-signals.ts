import type { Log } from '../base/log.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

export type StopReason = (typeof STOP_SIGNALS)[number] | 'npm ended'

/** What a shell says of a process that ended by SIGINT. */
const INTERRUPTED = 130
const CRASHED = 1

const PARENT_POLL_MS = 250

/**
 * Resolves with the reason why to stop: the first SIGINT or SIGTERM, or that npm, which started us, has gone. The
 * second signal ends the process at once, for those in a hurry.
 */
export function stopRequested(): Promise<StopReason> {
  return new Promise((resolve) => {
    let isStopping = false
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (isStopping) process.exit(INTERRUPTED)
        isStopping = true
        resolve(signal)
      })
    }
    whenNpmEnds(() => resolve('npm ended'))
  })
}

export function reloadOnSignal(reload: () => void): void {
  process.on('SIGHUP', reload)
}

/** A terminal or systemd signals the workers, too, but what is to be done their primary says. */
export function ignoreStopSignals(): void {
  for (const signal of [...STOP_SIGNALS, 'SIGHUP'] as const) process.on(signal, () => undefined)
}

/** After an error that nobody expected nothing can be relied on: it is logged, and the process ends. */
export function exitOnCrash(log: Log): void {
  process.on('uncaughtException', (error, origin) => {
    log.error('unexpected error; this process ends', { origin, error })
    process.exit(CRASHED)
  })
}

/**
 * `npm start` and `npx` put a shell between themselves and us, and pass a SIGTERM to that shell only: it dies, and we would
 * stay. Whoever starts us without npm may well leave us alone on purpose (nohup).
 */
function whenNpmEnds(callback: () => void): void {
  const { npm_execpath: npm } = process.env
  if (npm === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    callback()
  }, PARENT_POLL_MS)
  timer.unref()
}
