import { readFileSync } from 'node:fs'

/** Listening sockets, epoll, logs, and whatever libraries open. */
const DESCRIPTORS_BESIDES = 100

/** What to say when this process may not open as many files as `sockets` need; libuv then closes clients unheard. */
export function descriptorShortage(sockets: number): string | undefined {
  const limit = descriptorLimit()
  if (limit === undefined || limit >= sockets + DESCRIPTORS_BESIDES) return undefined
  return `only ${limit} files may be open, too few for max_client_conn and server connections: raise ulimit -n`
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
