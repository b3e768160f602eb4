import { readdirSync, readFileSync } from 'node:fs'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'
import { until } from './until.ts'

const DEADLINE_MS = 60_000

/** kill -9 of a server and of all its processes, as by the kernel. Stopped first, so that it makes no new ones. */
export async function killServer(node: EmbeddedNode): Promise<void> {
  const postmaster = node.postmasterPid
  process.kill(postmaster, 'SIGSTOP')
  const children = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && parentOf(name) === postmaster,
  )
  for (const pid of [...children, String(postmaster)]) kill(Number(pid))
  await until('all are gone', DEADLINE_MS, async () =>
    children.every((pid) => !LIVING.test(stateOf(pid))),
  )
}

const LIVING = /[RSDTt]/

/** It may have ended by itself meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function stateOf(pid: string): string {
  return /\) (\S) \d+/.exec(statOf(pid))?.[1] ?? ''
}

function parentOf(pid: string): number {
  return Number(/\) . (\d+)/.exec(statOf(pid))?.[1])
}

/** '': it is gone. */
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return ''
  }
}
