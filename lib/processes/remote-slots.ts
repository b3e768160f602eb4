import type {
  ConnectionSlots,
  SlotHolder,
  SlotLease,
  SlotPool,
} from '../backend/connection-slots.ts'
import type { MessageChannel } from './message-channel.ts'
import type { ToPrimary, ToWorker } from './messages.ts'

/** In a worker: the bounds that its primary keeps. A need and a grant may cross on the way; pools give back what is too much. */
export class RemoteSlots implements ConnectionSlots {
  readonly #channel: MessageChannel<ToPrimary, ToWorker>
  readonly #holders = new Map<number, SlotHolder>()
  #lastPool = 0

  constructor(channel: MessageChannel<ToPrimary, ToWorker>) {
    this.#channel = channel
    channel.on('slotsGranted', ({ pool, count }) => {
      const holder = this.#holders.get(pool)
      if (holder !== undefined) holder.granted(count)
    })
    channel.on('surrenderSlot', async ({ pool, isFair }) => {
      return (await this.#holders.get(pool)?.surrender(isFair)) ?? false
    })
    // one that is gone moves: its slots are on their way back
    channel.on('areSlotsBlocked', async ({ pool }) => {
      return (await this.#holders.get(pool)?.isBlocked()) ?? false
    })
  }

  join(key: SlotPool, holder: SlotHolder): SlotLease {
    const pool = ++this.#lastPool
    this.#holders.set(pool, holder)
    this.#channel.post('joinSlots', { pool, key })
    return {
      ask: (need) => this.#channel.post('needSlots', { pool, need }),
      giveBack: (count) => this.#channel.post('giveSlotsBack', { pool, count }),
      leave: () => {
        this.#holders.delete(pool)
        this.#channel.post('leaveSlots', { pool })
      },
    }
  }
}

/** In the primary: the pools of one worker, as holders of the bounds that are kept here. */
export class WorkerSlots {
  readonly #leases = new Map<number, SlotLease>()
  #isGone = false

  constructor(channel: MessageChannel<ToWorker, ToPrimary>, slots: ConnectionSlots) {
    channel.on('joinSlots', ({ pool, key }) => {
      if (!this.#isGone) this.#leases.set(pool, slots.join(key, remoteHolder(channel, pool)))
    })
    channel.on('needSlots', ({ pool, need }) => this.#leases.get(pool)?.ask(need))
    channel.on('giveSlotsBack', ({ pool, count }) => this.#leases.get(pool)?.giveBack(count))
    channel.on('leaveSlots', ({ pool }) => {
      this.#leases.get(pool)?.leave()
      this.#leases.delete(pool)
    })
  }

  /** The worker has died: its connections are closed by the kernel, its slots are free. */
  release(): void {
    this.#isGone = true
    for (const lease of this.#leases.values()) lease.leave()
    this.#leases.clear()
  }
}

function remoteHolder(channel: MessageChannel<ToWorker, ToPrimary>, pool: number): SlotHolder {
  return {
    granted: (count) => channel.post('slotsGranted', { pool, count }),
    surrender: (isFair) => isTrue(channel.request('surrenderSlot', { pool, isFair })),
    isBlocked: () => isTrue(channel.request('areSlotsBlocked', { pool })),
  }
}

/** No, when it dies before it answers. */
async function isTrue(answer: Promise<unknown>): Promise<boolean> {
  try {
    return (await answer) === true
  } catch {
    return false
  }
}
