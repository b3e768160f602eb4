const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** What a shell says of a process that ended by SIGINT. */
const INTERRUPTED = 130

/** Resolves with the first SIGINT or SIGTERM. The second one ends the process at once, for those in a hurry. */
export function stopRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isStopping = false
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (isStopping) process.exit(INTERRUPTED)
        isStopping = true
        resolve(signal)
      })
    }
  })
}
