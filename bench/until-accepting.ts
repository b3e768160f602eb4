import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const START_MS = 60_000
const POLL_MS = 20

/** Returns when `port` takes connections. Throws with the end of its log when the process ends before. */
export async function untilAccepting(
  name: string,
  port: number,
  child: ChildProcess,
  log: () => string,
): Promise<void> {
  const deadline = Date.now() + START_MS
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await accepts(port)) return
    await delay(POLL_MS)
  }
  throw new Error(`${name} did not start: ${log().trim().split('\n').slice(-10).join('\n')}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}
