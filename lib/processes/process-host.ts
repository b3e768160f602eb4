import type { ConnectionSlots } from '../backend/connection-slots.ts'
import { type AcrossProcesses, AloneInProcess } from '../base/across-processes.ts'
import type { CancelKeys } from '../session/client/cancel-keys.ts'
import {
  type ClientLimits,
  type ClientSlots,
  CountedClientSlots,
} from '../session/client/client-slots.ts'
import { type ListeningOptions, TakenSockets } from '../session/client/listening-ports.ts'
import { Listener } from '../session/listener.ts'
import type { SessionServices } from '../session/session-services.ts'
import type { Supervisor } from './supervisor.ts'

/** What a router has from the process it runs in. */
export interface ProcessHost {
  readonly across: AcrossProcesses
  readonly supervisor: Supervisor
  readonly cancelKeys: CancelKeys
  readonly clientSlots: ClientSlots
  /** Bounds of server connections, over all processes. */
  readonly connectionSlots: ConnectionSlots
  /** Whether this process serves HTTP; else one that speaks for all does. */
  readonly servesHttp: boolean
  /** Listening sockets of a process that this one takes over. */
  readonly taken: TakenSockets
  /** Whether this process does from the start what is done once a host. */
  readonly isLeader: boolean
  /** Called once, when it begins to lead after a start as one of many. */
  onLead: (() => void) | undefined
  /** Clients come from now on. */
  openListener(services: SessionServices): Promise<Listener>
}

export type AloneOptions = {
  readonly listening: ListeningOptions
  readonly clientLimits: ClientLimits
  readonly cancelKeys: CancelKeys
  readonly connectionSlots: ConnectionSlots
  readonly supervisor: Supervisor
  /** Asked when everything else is ready; what another process hands over. */
  readonly takeSockets?: () => Promise<TakenSockets>
}

/** A proxy of one process. */
export class AloneHost implements ProcessHost {
  readonly across = new AloneInProcess()
  readonly supervisor: Supervisor
  readonly cancelKeys: CancelKeys
  readonly clientSlots: CountedClientSlots
  readonly connectionSlots: ConnectionSlots
  readonly servesHttp = true
  readonly isLeader = true
  onLead: (() => void) | undefined
  readonly #options: AloneOptions
  #taken = new TakenSockets()

  constructor(options: AloneOptions) {
    this.#options = options
    this.cancelKeys = options.cancelKeys
    this.supervisor = options.supervisor
    this.connectionSlots = options.connectionSlots
    this.clientSlots = new CountedClientSlots(options.clientLimits)
  }

  get taken(): TakenSockets {
    return this.#taken
  }

  async openListener(services: SessionServices): Promise<Listener> {
    const { listening, takeSockets } = this.#options
    this.#taken = (await takeSockets?.()) ?? this.#taken
    return await Listener.open(listening, services, this.#taken)
  }
}
