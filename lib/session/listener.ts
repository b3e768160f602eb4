import type { Socket } from 'node:net'
import type { Pin } from '../executor/transaction/session-pins.ts'
import { tooManyClients } from './client/client-slots.ts'
import { ClientSocket } from './client/client-socket.ts'
import {
  type ListeningOptions,
  ListeningPorts,
  type TakenSockets,
} from './client/listening-ports.ts'
import { canShareReads } from './client/shared-read-buffer.ts'
import { ClientSession } from './client-session.ts'
import type { SessionServices } from './session-services.ts'

export type DrainOptions = {
  /** For so long only those are sent away who have been quiet. */
  readonly patienceMs: number
  /** Quiet is who has said nothing for so long and stands outside a transaction; not who has only just come. */
  readonly quietMs: number
  /** Then all are sent away when they stand outside a transaction, and whoever doesn't after this, nevertheless. */
  readonly graceMs: number
}

export const AT_ONCE: DrainOptions = { patienceMs: 0, quietMs: 0, graceMs: 0 }

/** A session that can't end by then (its server doesn't answer) is left behind. */
const END_LIMIT_MS = 5000

/** Those who have not logged in, and cancel requests; beyond that and the clients' limit sockets are refused unread. */
const SOCKETS_WITHOUT_SLOT = 200

/** Who logs in now or has since then is about to say something, however slow it is. */
const NEWCOMER_MS = 3000

type Client = { readonly socket: ClientSocket; bytesHeard: number; isNewUntilMs: number }

/** Takes in clients, from ports of its own or from the process that has them, and knows all their sessions. */
export class Listener {
  readonly #services: SessionServices
  readonly #sessions = new Map<ClientSession, Client>()
  readonly #reads: 'shared' | 'events'
  #ports: ListeningPorts | undefined
  #lastSessionId = 0

  private constructor(services: SessionServices, reads: 'shared' | 'events') {
    this.#services = services
    this.#reads = reads
  }

  /** Without ports: clients come by accept(). */
  static async create(services: SessionServices): Promise<Listener> {
    const isShared = await canShareReads()
    if (!isShared) services.log.warn('reading clients without the shared buffer')
    return new Listener(services, isShared ? 'shared' : 'events')
  }

  /** Rejects when a port can't be had. */
  static async open(
    options: ListeningOptions,
    services: SessionServices,
    taken?: TakenSockets,
  ): Promise<Listener> {
    const listener = await Listener.create(services)
    await listener.#openPorts(options, taken)
    return listener
  }

  /** undefined: the ports are another process'. */
  get ports(): ListeningPorts | undefined {
    return this.#ports
  }

  get port(): number {
    return this.#ports?.port ?? 0
  }

  get clientCount(): number {
    return this.#sessions.size
  }

  sessions(): readonly ClientSession[] {
    return [...this.#sessions.keys()]
  }

  /** What keeps server connections with their clients, each with its reason. */
  pins(): Pin[] {
    return [...this.#sessions.keys()].flatMap((session) => session.pins)
  }

  /** Nothing more is read of the chosen clients until resume(); what was read is carried out. */
  suspend(isChosen: (session: ClientSession) => boolean): void {
    for (const [session, { socket }] of this.#sessions) if (isChosen(session)) socket.suspend()
  }

  resume(): void {
    for (const { socket } of this.#sessions.values()) socket.unsuspend()
  }

  /** A paused socket of which nothing has been read. `left` is called when its session has ended. */
  accept(socket: Socket, left?: () => void): void {
    const client = new ClientSocket(socket, this.#reads)
    const session = new ClientSession(client, ++this.#lastSessionId, this.#services)
    const isNewUntilMs = performance.now() + NEWCOMER_MS
    this.#sessions.set(session, { socket: client, bytesHeard: -1, isNewUntilMs })
    void session.closed.then(() => {
      this.#sessions.delete(session)
      left?.()
    })
    if (this.#sessions.size > this.#services.clientSlots.limit + SOCKETS_WITHOUT_SLOT) {
      session.refuse(tooManyClients('max_client_conn'))
    }
  }

  /** As drain() with nobody allowed to linger. */
  close(graceMs = 0): Promise<void> {
    return this.drain({ ...AT_ONCE, graceMs })
  }

  /**
   * Accepts no more clients and sends those away that there are. Resolves when all sessions have given their server
   * connections back, or soon after the end of the grace in any case.
   */
  async drain({ patienceMs, quietMs, graceMs }: DrainOptions): Promise<void> {
    const stopped = this.#ports?.close()
    const ended = Promise.all([this.#emptied(), stopped])
    if (patienceMs > 0) {
      const ticks = setInterval(() => this.#sendQuietAway(), quietMs)
      await withinTime(ended, patienceMs)
      clearInterval(ticks)
    }
    for (const session of this.#sessions.keys()) session.drain()
    const timer = setTimeout(() => {
      for (const session of this.#sessions.keys()) session.end()
    }, graceMs)
    await withinTime(ended, graceMs + END_LIMIT_MS)
    clearTimeout(timer)
  }

  async #openPorts(options: ListeningOptions, taken: TakenSockets | undefined): Promise<void> {
    const accept = (socket: Socket) => this.accept(socket)
    this.#ports = await ListeningPorts.open(options, accept, this.#services.log, taken)
  }

  async #emptied(): Promise<void> {
    while (this.#sessions.size > 0) {
      await Promise.all([...this.#sessions.keys()].map((session) => session.closed))
    }
  }

  #sendQuietAway(): void {
    const nowMs = performance.now()
    for (const [session, client] of this.#sessions) {
      const { bytesRead } = client.socket
      if (session.activity === 'logging in') client.isNewUntilMs = nowMs + NEWCOMER_MS
      const isNew = nowMs < client.isNewUntilMs
      if (!isNew && client.bytesHeard === bytesRead) session.drain()
      client.bytesHeard = bytesRead
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
