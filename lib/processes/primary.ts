import type { ConnectionSlots } from '../backend/connection-slots.ts'
import type { Json, ProcessAnswers } from '../base/across-processes.ts'
import type { Log } from '../base/log.ts'
import { type CancelKey, processNumberOf } from '../session/client/cancel-keys.ts'
import { type ClientLimits, CountedClientSlots } from '../session/client/client-slots.ts'
import {
  type ListeningOptions,
  ListeningPorts,
  type TakenSockets,
} from '../session/client/listening-ports.ts'
import type { DrainOptions } from '../session/listener.ts'
import { ClientDispatch } from './client-dispatch.ts'
import { ChannelClosed } from './message-channel.ts'
import { receivedKey, sentKey } from './messages.ts'
import { WorkerSlots } from './remote-slots.ts'
import type { Supervisor } from './supervisor.ts'
import type { WorkerProcess, WorkerStart } from './worker-process.ts'
import { WorkerTeam } from './worker-team.ts'

export type PrimaryOptions = {
  readonly processes: number
  /** The module that a worker runs. */
  readonly entry: string
  readonly config: Json
  readonly clientLimits: ClientLimits
  /** Bounds of server connections over all workers. */
  readonly connectionSlots: ConnectionSlots
  readonly listening: ListeningOptions
  readonly supervisor: Supervisor
  /** Takes keys that may be those of another proxy. */
  readonly foreignKey: (key: CancelKey) => void
  readonly log: Log
}

/**
 * The process that holds the port and what is counted over all workers. No byte of a client passes here: accepted sockets go
 * to a worker unread.
 */
export class Primary {
  readonly #options: PrimaryOptions
  readonly #team: WorkerTeam
  readonly #dispatch: ClientDispatch
  readonly #clientSlots: CountedClientSlots
  readonly #workerSlots = new Map<WorkerProcess, WorkerSlots>()
  #config: Json
  #ports: ListeningPorts | undefined

  private constructor(options: PrimaryOptions) {
    const { processes, entry, log } = options
    this.#options = options
    this.#config = options.config
    this.#clientSlots = new CountedClientSlots(options.clientLimits)
    const startOf = (processNumber: number, isLeader: boolean): WorkerStart => {
      const maxClients = this.#clientSlots.limit
      return { processNumber, isLeader, maxClients, config: this.#config }
    }
    this.#team = new WorkerTeam(
      { processes, entry, startOf, log },
      {
        started: (worker) => this.#attach(worker),
        ready: () => this.#dispatch.serveWaiting(),
        gone: (worker) => this.#detach(worker),
      },
    )
    this.#dispatch = new ClientDispatch(() => this.#team.workers)
  }

  /** Returns when all workers are ready. Clients aren't served before listen(). Rejects with nothing left running. */
  static async start(options: PrimaryOptions): Promise<Primary> {
    const primary = new Primary(options)
    process.on('exit', () => primary.#team.killAll())
    try {
      await primary.#team.start()
      return primary
    } catch (error) {
      primary.#team.killAll()
      throw error
    }
  }

  /** Rejects when a port can't be had. */
  async listen(taken?: TakenSockets): Promise<ListeningPorts> {
    const { listening, log } = this.#options
    const accept = this.#dispatch.dispatch.bind(this.#dispatch)
    this.#ports = await ListeningPorts.open(listening, accept, log, taken)
    return this.#ports
  }

  /** Rejects when workers crash again and again. */
  get failed(): Promise<never> {
    return this.#team.failed
  }

  get restartCount(): number {
    return this.#team.restartCount
  }

  get readyCount(): number {
    return this.#team.workers.filter(({ state }) => state === 'ready').length
  }

  /** Resolves when all clients have gone and all workers have ended. */
  async stop(drain: DrainOptions): Promise<void> {
    const closed = this.#ports?.close()
    this.#dispatch.dropWaiting()
    await Promise.all([closed, this.#team.stop(drain)])
  }

  /** The new configuration is in force in all workers when this resolves. */
  async reload(config: Json, limits: ClientLimits): Promise<void> {
    this.#config = config
    this.#clientSlots.reload(limits)
    const maxClients = limits.total
    await this.#everyone(({ channel }) => channel.request('reload', { config, maxClients }))
  }

  /** What AcrossProcesses.ask promises. */
  async ask(topic: string, argument: Json, timeoutMs?: number): Promise<ProcessAnswers> {
    const silent: number[] = []
    const answers = await this.#everyone(async (worker) => {
      const answer = worker.ask(topic, argument)
      if (timeoutMs === undefined) return await answer
      return await withinTime(answer, timeoutMs, () => silent.push(worker.processNumber))
    })
    return {
      answers: answers.map(({ worker: { processNumber }, result }) => {
        return { processNumber, answer: result as Json }
      }),
      silent: silent.sort((one, other) => one - other),
    }
  }

  /** To the worker that gave out the key. */
  cancel(key: CancelKey): void {
    this.#team.get(processNumberOf(key.processId))?.channel.post('cancel', sentKey(key))
  }

  /** Of all workers that are ready; those that die or are too late are left out. */
  async #everyone(
    work: (worker: WorkerProcess) => Promise<unknown>,
  ): Promise<{ worker: WorkerProcess; result: unknown }[]> {
    const workers = this.#team.workers.filter(({ state }) => state === 'ready')
    const results = await Promise.all(
      workers.map(async (worker) => {
        try {
          return [{ worker, result: await work(worker) }]
        } catch (error) {
          if (error instanceof ChannelClosed || error instanceof TooLate) return []
          throw error
        }
      }),
    )
    return results.flat()
  }

  #attach(worker: WorkerProcess): void {
    const { channel } = worker
    this.#workerSlots.set(worker, new WorkerSlots(channel, this.#options.connectionSlots))
    channel.on('left', (count) => {
      worker.sockets -= count
    })
    channel.on('takeClientSlot', (client) => {
      const limit = this.#clientSlots.take(client)
      if (limit === undefined) worker.clients.add(client)
      return limit ?? null
    })
    channel.on('giveClientSlot', (client) => {
      worker.clients.remove(client)
      this.#clientSlots.give(client)
    })
    channel.on('ask', ({ topic, argument, timeoutMs }) => this.ask(topic, argument, timeoutMs))
    channel.on('stop', (how) => this.#options.supervisor.stop(how))
    channel.on('reload', () => this.#options.supervisor.reload())
    channel.on('set', ({ name, value }) => this.#options.supervisor.set(name, value))
    channel.on('cancel', (key) => this.#passOn(receivedKey(key)))
  }

  #passOn(key: CancelKey): void {
    this.cancel(key)
    this.#options.foreignKey(key)
  }

  #detach(worker: WorkerProcess): void {
    for (const client of worker.clients.clear()) this.#clientSlots.give(client)
    this.#workerSlots.get(worker)?.release()
    this.#workerSlots.delete(worker)
  }
}

/** An answer that is no longer waited for. */
class TooLate extends Error {
  override readonly name = 'TooLate'
}

async function withinTime(
  work: Promise<unknown>,
  limitMs: number,
  missed: () => void,
): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      missed()
      reject(new TooLate())
    }, limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
