import { createServer, type Server, type Socket } from 'node:net'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Pin } from '../executor/session-pins.ts'
import { ClientSession } from './client-session.ts'
import { ClientSocket } from './client-socket.ts'
import type { SessionServices } from './session-services.ts'
import { canShareReads } from './shared-read-buffer.ts'

export type ListenerOptions = {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  readonly maxClients: number
}

/** A session that can't end by then (its server doesn't answer) is left behind. */
const END_LIMIT_MS = 5000

/** Accepts clients and knows all their sessions. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #services: SessionServices
  readonly #server: Server
  readonly #sessions = new Set<ClientSession>()
  readonly #reads: 'shared' | 'events'
  #lastSessionId = 0

  private constructor(
    options: ListenerOptions,
    services: SessionServices,
    reads: 'shared' | 'events',
  ) {
    this.#options = options
    this.#services = services
    this.#reads = reads
    // a client may close its sending side and still wait for answers
    const how = { noDelay: true, keepAlive: true, allowHalfOpen: true, pauseOnConnect: true }
    this.#server = createServer(how, (socket) => this.#accept(socket))
  }

  /** Rejects when the port can't be had. */
  static async open(options: ListenerOptions, services: SessionServices): Promise<Listener> {
    const isShared = await canShareReads()
    if (!isShared) services.log.warn('reading clients without the shared buffer')
    const listener = new Listener(options, services, isShared ? 'shared' : 'events')
    const server = listener.#server
    await new Promise<void>((resolve, reject) => {
      const { host, port } = options
      const refused = (cause: Error) => {
        reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
      }
      server.once('error', refused)
      server.listen({ host, port, backlog: 1024 }, () => {
        server.off('error', refused)
        // such as EMFILE while accepting: the clients that are here go on
        server.on('error', (error) => services.log.error('cannot accept clients', { error }))
        resolve()
      })
    })
    return listener
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : this.#options.port
  }

  get clientCount(): number {
    return this.#sessions.size
  }

  /** What keeps server connections with their clients, each with its reason. */
  pins(): Pin[] {
    return [...this.#sessions].flatMap((session) => session.pins)
  }

  /**
   * Accepts no more clients, lets transactions that are open end for `graceMs`, then ends what is left. Resolves when all
   * sessions have given their server connections back, or soon after that in any case.
   */
  async close(graceMs = 0): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const sessions = [...this.#sessions]
    for (const session of sessions) session.drain()
    const timer = setTimeout(() => {
      for (const session of sessions) session.end()
    }, graceMs)
    const ended = Promise.all([...sessions.map((session) => session.closed), stopped])
    await withinTime(ended, graceMs + END_LIMIT_MS)
    clearTimeout(timer)
  }

  #accept(socket: Socket): void {
    const client = new ClientSocket(socket, this.#reads)
    const session = new ClientSession(client, ++this.#lastSessionId, this.#services)
    this.#sessions.add(session)
    void session.closed.then(() => this.#sessions.delete(session))
    if (this.#sessions.size > this.#options.maxClients) {
      const message = 'sorry, too many clients already'
      session.refuse(new RouterError(SqlState.tooManyConnections, message, { severity: 'FATAL' }))
    }
  }
}

async function withinTime(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([work, limit])
  clearTimeout(timer)
}
