import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import type { Shard } from '../../catalog/catalog.ts'
import type { SpareConnections } from '../ports.ts'
import type { ServerAnswer } from '../server-answer.ts'
import type { ScatterFlow } from './scatter-flow.ts'

export type SendToShards = (connection: BackendConnection, shards: readonly Shard[]) => ServerAnswer

type Running = { readonly connection: BackendConnection; readonly answer: ServerAnswer }

/** The shards of a node that nobody has taken yet. */
type NodeQueue = {
  readonly nodeId: number
  readonly shards: readonly Shard[]
  next: number
  /** Connections that take from it, or are about to. */
  workers: number
}

/**
 * Reads the shards of each node over as many connections as are worth it. A connection gets few shards at first, and more at
 * once as long as they are quick. Where they are not, another connection joins after each slow-start interval (one, then two,
 * then three more …), so that large scans run side by side and small ones stay on one. Nobody waits for a spare
 * connection: the shards go on with those that are there. Only outside of a transaction: it reads by its own connections.
 */
export class ParallelScatter {
  readonly #flow: ScatterFlow
  readonly #send: SendToShards
  readonly #spare: SpareConnections
  readonly #running = new Set<Running>()
  readonly #work = new Set<Promise<void>>()
  readonly #cancels: Promise<void>[] = []
  /** Aborted when no further connection is wanted. */
  readonly #enough = new AbortController()
  #queues: readonly NodeQueue[] = []
  #error: RouterError | undefined
  #isStopped = false
  #growth = 1

  constructor(flow: ScatterFlow, send: SendToShards, spare: SpareConnections) {
    this.#flow = flow
    this.#send = send
    this.#spare = spare
  }

  /** Resolves when all answers are complete, or the flow is full. Throws the first error, when all others' rest is over. */
  async run(
    parts: readonly { readonly connection: BackendConnection; readonly shards: readonly Shard[] }[],
    signal: AbortSignal,
  ): Promise<void> {
    const onAbort = (): void => this.#fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#flow.onFull = () => this.#stop()
    this.#queues = parts.map(({ connection, shards }) => {
      return { nodeId: connection.node.nodeId, shards, next: 0, workers: 1 }
    })
    for (const [index, { connection }] of parts.entries()) {
      const queue = this.#queues[index]
      if (queue !== undefined) this.#start(this.#takeShards(connection, queue))
    }
    const timer = setInterval(() => this.#grow(), Math.max(1, this.#spare.slowStartMs))
    try {
      while (this.#work.size > 0) await Promise.race(this.#work)
      await Promise.allSettled(this.#cancels)
    } finally {
      clearInterval(timer)
      signal.removeEventListener('abort', onAbort)
      this.#flow.onFull = undefined
    }
    if (this.#error !== undefined) throw this.#error
  }

  #start(work: Promise<void>): void {
    const settled = work
      .catch((error: RouterError) => this.#fail(error))
      .finally(() => this.#work.delete(settled))
    this.#work.add(settled)
  }

  async #takeShards(connection: BackendConnection, queue: NodeQueue): Promise<void> {
    this.#flow.add(connection)
    let batch = 1
    while (queue.next < queue.shards.length && !this.#isStopped) {
      const fair = Math.ceil((queue.shards.length - queue.next) / queue.workers)
      const end = queue.next + Math.min(batch, fair)
      const shards = queue.shards.slice(queue.next, end)
      queue.next = end
      const startedMs = performance.now()
      await this.#read(connection, shards)
      const isQuick = performance.now() - startedMs < this.#spare.slowStartMs
      batch = isQuick ? batch * 2 : 1
    }
    if (this.#isExhausted) this.#enough.abort()
  }

  get #isExhausted(): boolean {
    return this.#isStopped || this.#queues.every(({ next, shards }) => next >= shards.length)
  }

  async #read(connection: BackendConnection, shards: readonly Shard[]): Promise<void> {
    const running = { connection, answer: this.#send(connection, shards) }
    this.#running.add(running)
    const error = await running.answer.done
    this.#running.delete(running)
    if (error !== undefined) this.#fail(error)
  }

  #grow(): void {
    // who reads slowly would not read faster from more
    if (this.#flow.isPaused || this.#isStopped) return
    for (const queue of this.#queues) {
      const missing = queue.shards.length - queue.next
      const room = this.#spare.maxPerNode - queue.workers
      const count = Math.min(this.#growth, missing, room)
      for (let index = 0; index < count; index++) {
        if (!this.#spare.has(queue.nodeId)) break
        queue.workers++
        this.#start(this.#join(queue))
      }
    }
    this.#growth++
  }

  async #join(queue: NodeQueue): Promise<void> {
    const { signal } = this.#enough
    const connection = await this.#spare.take(queue.nodeId, signal).catch(() => undefined)
    if (connection !== undefined) await this.#takeShards(connection, queue)
    queue.workers--
  }

  #fail(error: RouterError): void {
    // a stop's own cancels are no errors of the statement
    if (this.#isStopped && this.#error === undefined) return
    this.#error ??= error
    this.#stop()
  }

  /** Nothing more is wanted of any shard. */
  #stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#enough.abort()
    for (const { connection, answer } of this.#running) {
      if (answer.isDone) continue
      answer.abandon()
      this.#cancels.push(connection.cancel(answer))
    }
    this.#flow.resume()
  }
}
