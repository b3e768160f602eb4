/** Runs before a statement may share a connection. */
const LEARNING_RUNS = 3
/** The fastest of those must be below: generous, since on a busy machine all take long. */
const ADMITTED_MS = 10
/** Once admitted: some of a window's runs must be faster. */
const SLOW_FASTEST_MS = 2
const WINDOW_RUNS = 64
/** A single run as long as this counts against the statement. */
const STALL_MS = 20
/** Stalls closer together than this have one cause. */
const SAME_STALL_MS = 5
/** Share of stalling runs from which on the statement is slow, unless all others stall nearly as often. */
const MAX_STALL_SHARE = 0.02
const STALL_TIMES = 4
const BIG_BYTES = 64 * 1024
/** A single answer as long as this makes the statement big. */
const HUGE_BYTES = 512 * 1024
/** After so long a slow one is given another chance; twice as long if it soon was slow again. */
const PROBE_AFTER_MS = 10_000
const MAX_PROBE_AFTER_MS = 300_000
const SOON_RUNS = 1000
const WEIGHT = 0.1
const STALL_WEIGHT = 0.01

/** Of all statements that share connections: what a busy machine does to them all is no statement's fault. */
const all = {
  stallShare: 0,
  lastStallMs: Number.NEGATIVE_INFINITY,
  lastStalled: undefined as ServiceTime | undefined,
  /** The last stall, while only this one has been charged with it. */
  charged: undefined as ServiceTime | undefined,
}

/**
 * How long one kind of statement takes on its server, and how much it answers: learned from each run, by moving averages. Says
 * whether it may stand in one line with others. The fastest of the last runs counts, since a loaded machine only adds.
 */
export class ServiceTime {
  #runs = 0
  #fastestMs = Number.POSITIVE_INFINITY
  #averageMs = 0
  #averageBytes = 0
  #stallShare = 0
  #lastStallMs = 0
  #isFast = false
  #probeAtMs = 0
  #probeAfterMs = PROBE_AFTER_MS

  /** Undecided ones are not. */
  isFast(nowMs: number): boolean {
    if (!this.#isFast && this.#probeAtMs !== 0 && nowMs >= this.#probeAtMs) this.#learnAnew()
    return this.#isFast
  }

  get averageMs(): number {
    return this.#averageMs
  }

  /** `isAlone`: on a connection of its own, where a busy machine makes it look slower than it is. */
  note(durationMs: number, bytes: number, nowMs: number, isAlone: boolean): void {
    if (this.#isFast && isAlone) return
    this.#runs++
    if (this.#runs === 1) {
      this.#averageMs = durationMs
      this.#averageBytes = bytes
    } else {
      this.#averageMs += (durationMs - this.#averageMs) * WEIGHT
      this.#averageBytes += (bytes - this.#averageBytes) * WEIGHT
    }
    if (durationMs > STALL_MS) this.#stalled(nowMs)
    else this.#stallShare *= 1 - STALL_WEIGHT
    if (this.#isFast) this.#checkFast(durationMs, bytes, nowMs)
    else if (this.#probeAtMs === 0) this.#learn(durationMs)
  }

  /** Where others stall at the same moment nobody is charged with it: many shapes or shards at work hit upon each stall of the machine. */
  #stalled(nowMs: number): void {
    const isCommon = nowMs - all.lastStallMs <= SAME_STALL_MS && all.lastStalled !== this
    if (isCommon && all.charged !== undefined) {
      all.charged.#stallShare -= STALL_WEIGHT
      all.charged = undefined
    } else if (!isCommon && nowMs - this.#lastStallMs > SAME_STALL_MS) {
      this.#stallShare += STALL_WEIGHT
      all.charged = this
    }
    this.#lastStallMs = nowMs
    all.lastStallMs = nowMs
    all.lastStalled = this
  }

  #learn(durationMs: number): void {
    if (durationMs < this.#fastestMs) this.#fastestMs = durationMs
    if (this.#runs < LEARNING_RUNS) return
    this.#isFast = this.#fastestMs < ADMITTED_MS && this.#averageBytes < BIG_BYTES
    if (this.#isFast) this.#stallShare = 0
    else if (this.#runs % WINDOW_RUNS === 0) this.#fastestMs = Number.POSITIVE_INFINITY
  }

  #checkFast(durationMs: number, bytes: number, nowMs: number): void {
    all.stallShare += ((durationMs > STALL_MS ? 1 : 0) - all.stallShare) * STALL_WEIGHT
    if (durationMs < this.#fastestMs) this.#fastestMs = durationMs
    const isBig = this.#averageBytes > BIG_BYTES || bytes > HUGE_BYTES
    const isStalling = this.#stallShare > Math.max(MAX_STALL_SHARE, STALL_TIMES * all.stallShare)
    if (isBig || isStalling || this.#isNeverFast()) this.#demote(nowMs)
  }

  #isNeverFast(): boolean {
    if (this.#runs % WINDOW_RUNS !== 0) return false
    const isSlow = this.#fastestMs > SLOW_FASTEST_MS
    this.#fastestMs = Number.POSITIVE_INFINITY
    return isSlow
  }

  #demote(nowMs: number): void {
    this.#isFast = false
    const isSoon = this.#runs < SOON_RUNS
    this.#probeAtMs = nowMs + this.#probeAfterMs
    this.#probeAfterMs = isSoon
      ? Math.min(2 * this.#probeAfterMs, MAX_PROBE_AFTER_MS)
      : PROBE_AFTER_MS
  }

  #learnAnew(): void {
    this.#runs = 0
    this.#fastestMs = Number.POSITIVE_INFINITY
    this.#stallShare = 0
    this.#probeAtMs = 0
  }
}

/** Of one statement: as a whole, and of each shard it is routed to, since one tenant may be much larger than others. */
export class StatementTimes {
  readonly #whole = new ServiceTime()
  #shards: (ServiceTime | undefined)[] | undefined

  /** `shardIndex` undefined: not routed. */
  of(shardIndex: number | undefined): ServiceTime {
    if (shardIndex === undefined) return this.#whole
    this.#shards ??= []
    const known = this.#shards[shardIndex]
    if (known !== undefined) return known
    const made = new ServiceTime()
    this.#shards[shardIndex] = made
    return made
  }
}
