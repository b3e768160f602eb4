import type { Socket } from 'node:net'
import {
  type AcrossProcesses,
  type Answerer,
  Answerers,
  type AskOptions,
  type Json,
  type ProcessAnswers,
} from '../base/across-processes.ts'
import { CancelKeys } from '../session/client/cancel-keys.ts'
import type { ClientLimit, ClientName, ClientSlots } from '../session/client/client-slots.ts'
import { TakenSockets } from '../session/client/listening-ports.ts'
import { AT_ONCE, Listener } from '../session/listener.ts'
import type { SessionServices } from '../session/session-services.ts'
import { MessageChannel, type MessagePort } from './message-channel.ts'
import { receivedKey, sentKey, type ToPrimary, type ToWorker } from './messages.ts'
import type { ProcessHost } from './process-host.ts'
import { RemoteSlots } from './remote-slots.ts'
import type { Supervisor } from './supervisor.ts'

type ToPrimaryChannel = MessageChannel<ToPrimary, ToWorker>
type Start = ToWorker['start']

/** What a worker has from its primary: clients, slots, and the way to the other workers. */
export class WorkerHost implements ProcessHost {
  readonly across: AcrossProcesses
  readonly supervisor: Supervisor
  readonly cancelKeys: CancelKeys
  readonly clientSlots: RemoteClientSlots
  readonly connectionSlots: RemoteSlots
  readonly servesHttp = false
  readonly taken = new TakenSockets()
  readonly isLeader: boolean
  onLead: (() => void) | undefined
  readonly #left: LeftClients
  #listener: Listener | undefined

  constructor(channel: ToPrimaryChannel, { processNumber, isLeader, maxClients }: Start) {
    this.isLeader = isLeader
    this.across = new WorkerAcross(channel, processNumber)
    this.clientSlots = new RemoteClientSlots(channel, maxClients)
    this.supervisor = {
      stop: (how) => channel.post('stop', how),
      reload: async () => {
        await channel.request('reload', null)
      },
      set: async (name, value) => (await channel.request('set', { name, value })) === true,
    }
    this.connectionSlots = new RemoteSlots(channel)
    this.cancelKeys = new CancelKeys({
      processNumber,
      forward: (key) => channel.post('cancel', sentKey(key)),
    })
    this.#left = new LeftClients(channel)
    channel.on('cancel', (key) => this.cancelKeys.cancelOwn(receivedKey(key)))
    channel.on('lead', () => this.onLead?.())
    channel.on('client', (_, socket) => this.#accept(socket))
  }

  async openListener(services: SessionServices): Promise<Listener> {
    this.#listener = await Listener.create(services)
    return this.#listener
  }

  #accept(socket: Socket | undefined): void {
    const left = () => this.#left.add()
    // a socket is missing when this process has no descriptor left for it
    if (socket === undefined || this.#listener === undefined) {
      socket?.destroy()
      left()
      return
    }
    // what it had as an accepted socket doesn't travel along
    socket.allowHalfOpen = true
    this.#listener.accept(socket, left)
  }
}

/** Tells the primary how many clients have left, once a turn of the event loop. */
class LeftClients {
  readonly #channel: ToPrimaryChannel
  #count = 0

  constructor(channel: ToPrimaryChannel) {
    this.#channel = channel
  }

  add(): void {
    if (this.#count++ > 0) return
    setImmediate(() => {
      this.#channel.post('left', this.#count)
      this.#count = 0
    })
  }
}

/** max_client_conn over all workers, counted by the primary. */
class RemoteClientSlots implements ClientSlots {
  limit: number
  readonly #channel: ToPrimaryChannel

  constructor(channel: ToPrimaryChannel, limit: number) {
    this.#channel = channel
    this.limit = limit
  }

  async take({ database, user }: ClientName): Promise<ClientLimit | undefined> {
    const limit = await this.#channel.request('takeClientSlot', { database, user })
    return (limit as ClientLimit | null) ?? undefined
  }

  give({ database, user }: ClientName): void {
    this.#channel.post('giveClientSlot', { database, user })
  }
}

class WorkerAcross implements AcrossProcesses {
  readonly processNumber: number
  readonly #channel: ToPrimaryChannel
  readonly #answerers = new Answerers()

  constructor(channel: ToPrimaryChannel, processNumber: number) {
    this.#channel = channel
    this.processNumber = processNumber
    channel.on('ask', ({ topic, argument }) => this.#answerers.run(topic, argument))
  }

  answer(topic: string, answerer: Answerer): void {
    this.#answerers.set(topic, answerer)
  }

  async ask(topic: string, argument: Json, options: AskOptions = {}): Promise<ProcessAnswers> {
    const { timeoutMs } = options
    const answers = await this.#channel.request('ask', { topic, argument, timeoutMs })
    return answers as ProcessAnswers
  }
}

export type WorkerCallbacks = {
  /** Everything is ready when it resolves; a rejection is told to the primary. */
  start(host: WorkerHost, config: Json): Promise<void>
  reload(config: Json): Promise<void>
  /** Resolves when all clients have gone. */
  drain(options: ToWorker['drain']): Promise<void>
}

const ORPHAN_GRACE_MS = 2000

/** Runs a worker for its primary, from the first message to the exit of this process. */
export function runWorker(port: MessagePort, callbacks: WorkerCallbacks): void {
  const channel: ToPrimaryChannel = new MessageChannel(port)
  let host: WorkerHost | undefined
  // a second order to drain hurries the first
  const end = async (drain: ToWorker['drain'], exitCode: number) => {
    await callbacks.drain(drain).catch(() => undefined)
    process.exit(exitCode)
  }
  channel.on('start', async (start) => {
    host = new WorkerHost(channel, start)
    try {
      await callbacks.start(host, start.config)
      channel.post('ready', null)
    } catch (error) {
      channel.post('failed', { message: error instanceof Error ? error.message : String(error) })
      // the message must get there first
      setImmediate(() => process.exit(1))
    }
  })
  channel.on('reload', async ({ config, maxClients }) => {
    if (host !== undefined) host.clientSlots.limit = maxClients
    await callbacks.reload(config)
  })
  channel.on('drain', (drain) => void end(drain, 0))
  // the primary has died: who comes after it starts workers of its own
  port.on('disconnect', () => void end({ ...AT_ONCE, graceMs: ORPHAN_GRACE_MS }, 1))
}
