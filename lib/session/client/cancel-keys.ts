import { randomBytes, timingSafeEqual } from 'node:crypto'

/** What a CancelRequest reaches: the session's running statement, and nobody else's. */
export interface Cancellable {
  cancel(): void
}

export type CancelKey = { readonly processId: number; readonly secretKey: Buffer }

export type CancelKeysOptions = {
  /** 1 to 1024: part of every key. */
  readonly processNumber: number
  /** Takes keys that are not ours: another process may know them. */
  readonly forward: (key: CancelKey) => void
}

type Entry = { readonly secret: Buffer; readonly session: Cancellable }

const COUNTER_BITS = 21
const COUNTER_MASK = 2 ** COUNTER_BITS - 1
const SECRET_BYTES = 4
/** Keys passed on at once; who sends more has no statements that run so long. */
const MAX_FORWARDED_A_TURN = 64

const ALONE: CancelKeysOptions = { processNumber: 1, forward: () => undefined }

/** Which process gave out a key. */
export function processNumberOf(processId: number): number {
  return (processId >>> COUNTER_BITS) + 1
}

/**
 * The process ids and secrets we gave out in BackendKeyData. A process id is our process' number and a counter; that starts
 * at random, so that a restarted proxy doesn't meet the last one's keys.
 */
export class CancelKeys {
  readonly #options: CancelKeysOptions
  readonly #entries = new Map<number, Entry>()
  readonly #forwarded = new Set<string>()
  #lastCount = randomBytes(4).readUInt32BE() & COUNTER_MASK

  constructor(options: CancelKeysOptions = ALONE) {
    this.#options = options
  }

  register(session: Cancellable): CancelKey {
    let processId: number
    do {
      this.#lastCount = (this.#lastCount % COUNTER_MASK) + 1
      processId = (this.#options.processNumber - 1) * (COUNTER_MASK + 1) + this.#lastCount
    } while (this.#entries.has(processId))
    const secretKey = randomBytes(SECRET_BYTES)
    this.#entries.set(processId, { secret: secretKey, session })
    return { processId, secretKey }
  }

  unregister(processId: number): void {
    this.#entries.delete(processId)
  }

  /** What a client asked for. A wrong key is ignored without a word, as in Postgres. */
  cancel(processId: number, secretKey: Buffer): void {
    if (!this.cancelOwn({ processId, secretKey })) this.#passOn({ processId, secretKey })
  }

  /** What another process passed on. false: the key is not ours. */
  cancelOwn({ processId, secretKey }: CancelKey): boolean {
    const entry = this.#entries.get(processId)
    if (entry === undefined || secretKey.length !== entry.secret.length) return false
    if (!timingSafeEqual(secretKey, entry.secret)) return false
    entry.session.cancel()
    return true
  }

  /** The same key many times is one; a flood of keys is cut off. */
  #passOn(key: CancelKey): void {
    if (key.secretKey.length !== SECRET_BYTES) return
    const name = `${key.processId} ${key.secretKey.toString('hex')}`
    if (this.#forwarded.has(name) || this.#forwarded.size >= MAX_FORWARDED_A_TURN) return
    if (this.#forwarded.size === 0) setImmediate(() => this.#forwarded.clear())
    this.#forwarded.add(name)
    this.#options.forward(key)
  }
}
