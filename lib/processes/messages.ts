import type { SlotNeed, SlotPool } from '../backend/connection-slots.ts'
import type { Json } from '../base/across-processes.ts'
import type { CancelKey } from '../session/client/cancel-keys.ts'
import type { ClientName } from '../session/client/client-slots.ts'
import type { DrainOptions } from '../session/listener.ts'
import type { StopMode } from './supervisor.ts'

/** What the primary says to a worker. */
export type ToWorker = {
  /** First of all. `config` is the whole configuration: a worker reads no file. */
  readonly start: {
    readonly processNumber: number
    readonly config: Json
    /** Does what is done once a host: installs metadata, recovers transactions. */
    readonly isLeader: boolean
    /** max_client_conn over all workers. */
    readonly maxClients: number
  }
  /** Its socket comes along. */
  readonly client: null
  readonly lead: null
  /** A request: answered when the new configuration is in force. */
  readonly reload: { readonly config: Json; readonly maxClients: number }
  /** The worker ends by itself when all its clients have gone. */
  readonly drain: DrainOptions
  readonly ask: { readonly topic: string; readonly argument: Json }
  readonly cancel: SentKey
  /** `pool` is the worker's number for one of its pools; see backend/connection-slots.ts. */
  readonly slotsGranted: { readonly pool: number; readonly count: number }
  /** A request. */
  readonly surrenderSlot: { readonly pool: number; readonly isFair: boolean }
  /** A request. */
  readonly areSlotsBlocked: { readonly pool: number }
}

/** What a worker says to the primary. */
export type ToPrimary = {
  readonly ready: null
  /** The worker could not start, and exits. */
  readonly failed: { readonly message: string }
  /** So many sockets have been closed. */
  readonly left: number
  /** A request, of a client that has logged in: the limit that is reached, or null. */
  readonly takeClientSlot: ClientName
  readonly giveClientSlot: ClientName
  /** A request: ProcessAnswer[]. */
  readonly ask: {
    readonly topic: string
    readonly argument: Json
    readonly timeoutMs: number | undefined
  }
  readonly cancel: SentKey
  readonly stop: StopMode
  /** A request. */
  readonly reload: null
  /** A request: whether it was set. */
  readonly set: { readonly name: string; readonly value: string }
  readonly joinSlots: { readonly pool: number; readonly key: SlotPool }
  readonly needSlots: { readonly pool: number; readonly need: SlotNeed }
  readonly giveSlotsBack: { readonly pool: number; readonly count: number }
  readonly leaveSlots: { readonly pool: number }
}

export type SentKey = { readonly processId: number; readonly secretKey: string }

export function sentKey({ processId, secretKey }: CancelKey): SentKey {
  return { processId, secretKey: secretKey.toString('hex') }
}

export function receivedKey({ processId, secretKey }: SentKey): CancelKey {
  return { processId, secretKey: Buffer.from(secretKey, 'hex') }
}
