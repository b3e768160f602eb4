import { chmodSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Log } from '../../base/log.ts'

export type ListeningOptions = {
  /** None: only the Unix socket. */
  readonly hosts: readonly string[]
  /** 0: a free one, the same for all hosts. */
  readonly port: number
  readonly backlog: number
  readonly unixSocket: { readonly directory: string; readonly mode: number } | undefined
  /** Before a quiet client is probed; 0: the system's default. undefined: never probed. */
  readonly keepAliveIdleMs: number | undefined
}

export const DEFAULT_LISTENING_OPTIONS: ListeningOptions = {
  hosts: ['127.0.0.1'],
  port: 0,
  backlog: 1024,
  unixSocket: undefined,
  keepAliveIdleMs: 60_000,
}

/** Listening sockets that another process has given us, by their names there. */
export class TakenSockets {
  readonly #handles: Map<string, object>

  constructor(handles: ReadonlyMap<string, object> = new Map<string, object>()) {
    this.#handles = new Map(handles)
  }

  /** Something to listen on; it belongs to the caller. */
  take(name: string): object | undefined {
    const handle = this.#handles.get(name)
    this.#handles.delete(name)
    return handle
  }

  /** Those that nobody took: clients would wait there for ever. */
  closeRest(): void {
    for (const handle of this.#handles.values()) (handle as { close(): void }).close()
    this.#handles.clear()
  }
}

/** A listening socket as another process may inherit it. */
export type HeldSocket = { readonly name: string; readonly descriptor: number }

const ERROR_LOG_INTERVAL_MS = 1000

/** The sockets that clients connect to. Accepted ones are handed out paused, nothing of them read. */
export class ListeningPorts {
  readonly #options: ListeningOptions
  readonly #accept: (socket: Socket) => void
  readonly #log: Log
  readonly #servers: Server[] = []
  readonly #tcpNames = new Map<Server, string>()
  #unixSocket: { readonly path: string; readonly inode: number } | undefined
  #port: number
  #lastErrorMs = 0

  private constructor(options: ListeningOptions, accept: (socket: Socket) => void, log: Log) {
    this.#options = options
    this.#accept = accept
    this.#log = log
    this.#port = options.port
  }

  /** Rejects, with nothing left open, when one of them can't be had. Those `taken` are used instead of new ones. */
  static async open(
    options: ListeningOptions,
    accept: (socket: Socket) => void,
    log: Log,
    taken = new TakenSockets(),
  ): Promise<ListeningPorts> {
    const ports = new ListeningPorts(options, accept, log)
    try {
      for (const host of options.hosts) await ports.#listenOn(host, taken)
      if (options.unixSocket !== undefined) await ports.#listenInDirectory(options.unixSocket)
      return ports
    } catch (error) {
      await ports.close()
      throw error
    }
  }

  get port(): number {
    return this.#port
  }

  /** For a process that takes over. Unix sockets are not among them: their path can be bound anew at any time. */
  held(): HeldSocket[] {
    return [...this.#tcpNames].map(([server, name]) => ({ name, descriptor: descriptorOf(server) }))
  }

  /** No more clients are accepted when this returns; resolves when the sockets are closed. */
  async close(): Promise<void> {
    this.#removePath()
    const servers = this.#servers.splice(0)
    await Promise.all(
      servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    )
  }

  async #listenOn(host: string, taken: TakenSockets): Promise<void> {
    const server = this.#newServer()
    const { backlog, port } = this.#options
    const handle = taken.take(socketName(host, port))
    await opened(server, `${host}:${this.#port}`, () => {
      if (handle === undefined) server.listen({ host, port: this.#port, backlog })
      else server.listen(handle, backlog)
    })
    const address = server.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
    this.#tcpNames.set(server, socketName(host, port))
    this.#keep(server)
  }

  /**
   * Bound under another name and then renamed: a path that a process left behind is replaced, and one that closes its socket
   * doesn't take our path away.
   */
  async #listenInDirectory(unixSocket: { directory: string; mode: number }): Promise<void> {
    const path = join(unixSocket.directory, `.s.PGSQL.${this.#port}`)
    const server = this.#newServer()
    const { backlog } = this.#options
    const temporary = `${path}.${process.pid}`
    rmSync(temporary, { force: true })
    await opened(server, path, () => server.listen({ path: temporary, backlog }))
    chmodSync(temporary, unixSocket.mode)
    this.#unixSocket = { path, inode: statSync(temporary).ino }
    renameSync(temporary, path)
    this.#keep(server)
  }

  /** Unless another process has put its own socket there. */
  #removePath(): void {
    if (this.#unixSocket === undefined) return
    const { path, inode } = this.#unixSocket
    if (statSync(path, { throwIfNoEntry: false })?.ino === inode) rmSync(path, { force: true })
  }

  #newServer(): Server {
    const { keepAliveIdleMs } = this.#options
    const options = {
      noDelay: true,
      keepAlive: keepAliveIdleMs !== undefined,
      keepAliveInitialDelay: keepAliveIdleMs ?? 0,
      // a client may close its sending side and still wait for answers
      allowHalfOpen: true,
      pauseOnConnect: true,
    }
    return createServer(options, this.#accept)
  }

  #keep(server: Server): void {
    server.on('error', (error) => this.#failedToAccept(error))
    this.#servers.push(server)
  }

  /** Such as EMFILE: libuv closes the clients that wait, and those that are here go on. */
  #failedToAccept(error: Error): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastErrorMs < ERROR_LOG_INTERVAL_MS) return
    this.#lastErrorMs = nowMs
    this.#log.error('cannot accept clients', { error })
  }
}

function socketName(host: string, port: number): string {
  return `${host} ${port}`
}

async function opened(server: Server, where: string, listen: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refused = (cause: Error) => {
      reject(new Error(`cannot listen on ${where}: ${cause.message}`, { cause }))
    }
    server.once('error', refused)
    server.once('listening', () => {
      server.off('error', refused)
      resolve()
    })
    listen()
  })
}

/** `_handle` is what Node's manual says a server has underneath; its descriptor is what a child can inherit. */
export function descriptorOf(owner: object): number {
  const { _handle: handle } = owner as { readonly _handle?: { readonly fd?: number } | null }
  return handle?.fd ?? -1
}
