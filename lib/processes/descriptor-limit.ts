import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Log } from '../base/log.ts'

/** Listening sockets, epoll, logs, and whatever libraries open. */
const DESCRIPTORS_BESIDES = 100

/** What to say when this process may not open as many files as `sockets` need; libuv then closes clients unheard. */
export function descriptorShortage(sockets: number): string | undefined {
  const limit = descriptorLimit()
  if (limit === undefined || limit >= sockets + DESCRIPTORS_BESIDES) return undefined
  return `only ${limit} files may be open, too few for max_client_conn and server connections: raise ulimit -n`
}

const LOOK_MS = 1000
const SAY_AGAIN_MS = 60_000

/**
 * While no file can be opened, libuv accepts clients and closes them at once, and nobody hears of it: so we look
 * now and then, and say it in the log. Never ends by itself, and keeps no process.
 */
export function watchDescriptors(log: Log): void {
  // at the limit it can't be read any more
  const limit = descriptorLimit()
  let saidAtMs = Number.NEGATIVE_INFINITY
  const look = () => {
    const error = descriptorError()
    if (error === undefined || performance.now() - saidAtMs < SAY_AGAIN_MS) return
    saidAtMs = performance.now()
    log.error('no file can be opened: new clients are closed unheard; raise ulimit -n', {
      code: error,
      limit,
    })
  }
  setInterval(look, LOOK_MS).unref()
}

/** EMFILE: of this process, ENFILE: of the system. */
function descriptorError(): string | undefined {
  try {
    closeSync(openSync('/dev/null', 'r'))
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EMFILE' || code === 'ENFILE' ? code : undefined
  }
}

/** undefined: not known here. Node has raised the soft limit to the hard one. */
function descriptorLimit(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
