import { availableParallelism } from 'node:os'
import type { BackendConnection } from './backend-connection.ts'
import { LastingBorrower } from './borrower.ts'
import { Lane } from './lane.ts'
import type { Pool } from './pool.ts'
import type { Settings } from './session-state.ts'

/**
 * One for each core that the servers may have, should they be like ours. Few: the fewer, the more statements leave with one
 * write and are read with one read; two already keep a process of ours busy.
 */
const MAX_LANES = Math.max(2, Math.min(4, availableParallelism()))
/** Lanes take at most this part of a pool. */
const POOL_SHARE = 4
const SWEEP_INTERVAL_MS = 1000
/** Then the connection goes back, so that the pool can see to its age. */
const MAX_AGE_MS = 10_000
/** After a connection could not be had or brought in step. */
const RETRY_AFTER_MS = 1000

/** Brings a connection in step with settings, or rejects and has closed it. */
export type Synchronise = (connection: BackendConnection, settings: Settings) => Promise<void>

/** The lanes of one pool. They are connections borrowed from it, given back when they aren't used. */
export class LaneGroup {
  readonly #pool: Pool
  readonly #synchronise: Synchronise
  readonly #borrower = new LastingBorrower()
  #lanes: Lane[] = []
  #isOpening = false
  #retryAtMs = 0
  #sweeper: NodeJS.Timeout | undefined
  readonly #usedAtSweep = new WeakMap<Lane, number>()

  constructor(pool: Pool, synchronise: Synchronise) {
    this.#pool = pool
    this.#synchronise = synchronise
    pool.onStarving = () => this.#makeRoom()
  }

  /** The pool may be gone: ask for its group anew. */
  get isEmpty(): boolean {
    return this.#lanes.length === 0
  }

  get lanes(): readonly Lane[] {
    return this.#lanes
  }

  /**
   * A lane whose connection holds `settings` and which takes one more statement behind a head that has been running for
   * `patienceMs` at most; undefined: there is none now.
   */
  take(settings: Settings, nowMs: number, patienceMs: number): Lane | undefined {
    if (this.#isWanted() || this.#pool.mode === 'session' || this.#mostLanes() === 0)
      return undefined
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      if (lane.settings !== settings || !lane.accepts(nowMs, patienceMs)) continue
      if (best === undefined || lane.count < best.count) best = lane
      if (lane.count === 0) break
    }
    if (best?.count === 0) return best
    return this.#open(settings, nowMs) ?? best
  }

  #emptied(lane: Lane): void {
    if (lane.isRetired || !lane.isOpen || this.#isWanted()) this.#giveBack(lane)
  }

  #makeRoom(): void {
    if (!this.#isWanted()) return
    const unused = this.#lanes.find((lane) => lane.count === 0)
    if (unused !== undefined) this.#giveBack(unused)
  }

  /** In a pool too small for lanes they only use what nobody waits for; a paused one wants all back. */
  #isWanted(): boolean {
    if (this.#pool.isPaused) return true
    return this.#pool.options.maxConnections < POOL_SHARE && this.#pool.isAwaited
  }

  #mostLanes(): number {
    const { maxLanes, maxConnections } = this.#pool.options
    const share = Math.max(1, Math.floor(maxConnections / POOL_SHARE))
    return Math.min(maxLanes, share, Number.isFinite(maxLanes) ? maxLanes : MAX_LANES)
  }

  #open(settings: Settings, nowMs: number): Lane | undefined {
    if (this.#isOpening || nowMs < this.#retryAtMs) return undefined
    this.#prune()
    if (this.#lanes.length >= this.#mostLanes() && !this.#giveUpOther(settings)) return undefined
    const connection = this.#pool.acquireNow(settings, this.#borrower)
    if (connection?.settings.session === settings) return this.#add(connection, settings, nowMs)
    this.#isOpening = true
    void this.#openLater(connection, settings).finally(() => {
      this.#isOpening = false
    })
    return undefined
  }

  async #openLater(idle: BackendConnection | undefined, settings: Settings): Promise<void> {
    let connection = idle
    try {
      connection ??= await this.#pool.acquire(undefined, settings, this.#borrower)
      await this.#synchronise(connection, settings)
      this.#add(connection, settings, performance.now())
    } catch {
      // the statements that go the ordinary way will show the error
      this.#retryAtMs = performance.now() + RETRY_AFTER_MS
      if (connection !== undefined) this.#pool.release(connection)
    }
  }

  #add(connection: BackendConnection, settings: Settings, nowMs: number): Lane {
    const lane = new Lane(connection, settings, nowMs, (empty) => this.#emptied(empty))
    this.#lanes.push(lane)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref()
    return lane
  }

  /** Sessions with other settings may have moved in. */
  #giveUpOther(settings: Settings): boolean {
    const other = this.#lanes.find((lane) => lane.settings !== settings && lane.count === 0)
    if (other === undefined) return false
    this.#giveBack(other)
    return true
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const lane of [...this.#lanes]) {
      const isUnused = this.#pool.isPaused || lane.entered === this.#usedAtSweep.get(lane)
      this.#usedAtSweep.set(lane, lane.entered)
      if (isUnused || nowMs - lane.openedAtMs > MAX_AGE_MS) lane.retire()
      if (lane.count === 0 && (lane.isRetired || !lane.isOpen)) this.#giveBack(lane)
    }
    this.#prune()
    if (this.#lanes.length > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #prune(): void {
    for (const lane of this.#lanes) if (!lane.isOpen) this.#giveBack(lane)
  }

  #giveBack(lane: Lane): void {
    if (!this.#lanes.includes(lane)) return
    this.#lanes = this.#lanes.filter((one) => one !== lane)
    this.#pool.release(lane.connection)
  }
}

const groups = new WeakMap<Pool, LaneGroup>()

export function lanesOf(pool: Pool, synchronise: Synchronise): LaneGroup {
  const known = groups.get(pool)
  if (known !== undefined) return known
  const made = new LaneGroup(pool, synchronise)
  groups.set(pool, made)
  return made
}
