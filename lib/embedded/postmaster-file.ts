import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { commandLine } from './process-identity.ts'

/** Fast shutdown may wait for a checkpoint; after that long it becomes an immediate one. */
const FAST_SHUTDOWN_MS = 15_000
const POLL_MS = 20

/** What postmaster.pid says (see pidfile.h in the source of Postgres); undefined without the file. */
type PostmasterFile = { readonly pid: number; readonly isReady: boolean }

export function readPostmasterFile(dataDirectory: string): PostmasterFile | undefined {
  try {
    const lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), isReady: lines[7]?.trim() === 'ready' }
  } catch {
    return undefined
  }
}

/**
 * Ends what an earlier run left behind after kill -9: its server, if it still lives, is stopped; a stale file is removed
 * (Postgres would refuse to start if its PID had been given to another process). Not adopted: a new one is ours to
 * reap, costs 0.1 s, and has today's settings.
 */
export async function stopLeftover(dataDirectory: string): Promise<'none' | 'stale' | 'stopped'> {
  const pid = readPostmasterFile(dataDirectory)?.pid
  if (pid === undefined) return 'none'
  const isOurs = isPostmasterOf(pid, dataDirectory)
  if (isOurs) await stopProcess(pid, () => !isPostmasterOf(pid, dataDirectory))
  rmSync(join(dataDirectory, 'postmaster.pid'), { force: true })
  return isOurs ? 'stopped' : 'stale'
}

function isPostmasterOf(pid: number, dataDirectory: string): boolean {
  const command = pid > 1 ? commandLine(pid) : undefined
  return command?.includes('postgres') === true && command.includes(`-D ${dataDirectory}`)
}

async function stopProcess(pid: number, hasEnded: () => boolean): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    process.kill(pid, signal)
    const deadline = Date.now() + FAST_SHUTDOWN_MS
    while (Date.now() < deadline) {
      if (hasEnded()) return
      await delay(POLL_MS)
    }
  }
  throw new Error(`process ${pid}, a Postgres left over by an earlier run, cannot be stopped`)
}
