const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** What a shell says of a process that ended by SIGINT. */
const INTERRUPTED = 130

const PARENT_POLL_MS = 250

/**
 * Resolves with the reason why to stop: the first SIGINT or SIGTERM, or that npm, which started us, has gone. The
 * second signal ends the process at once, for those in a hurry.
 */
export function stopRequested(): Promise<string> {
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
