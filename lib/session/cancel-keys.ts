import { randomBytes, timingSafeEqual } from 'node:crypto'

/** What a CancelRequest reaches: the session's running statement, and nobody else's. */
export interface Cancellable {
  cancel(): void
}

type Entry = { readonly secret: Buffer; readonly session: Cancellable }

/**
 * The process ids and secrets we gave out in BackendKeyData. The process id is only a number of ours;
 * it starts at random, so that a restarted proxy doesn't meet the last one's keys.
 */
export class CancelKeys {
  readonly #entries = new Map<number, Entry>()
  #lastProcessId: number

  constructor() {
    this.#lastProcessId = randomBytes(4).readUInt32BE() % 0x4000_0000
  }

  register(session: Cancellable): { readonly processId: number; readonly secretKey: Buffer } {
    do {
      this.#lastProcessId = (this.#lastProcessId % 0x7fff_fffe) + 1
    } while (this.#entries.has(this.#lastProcessId))
    const secretKey = randomBytes(4)
    this.#entries.set(this.#lastProcessId, { secret: secretKey, session })
    return { processId: this.#lastProcessId, secretKey }
  }

  unregister(processId: number): void {
    this.#entries.delete(processId)
  }

  /** A wrong key is ignored without a word, as in Postgres. */
  cancel(processId: number, secretKey: Buffer): void {
    const entry = this.#entries.get(processId)
    if (entry === undefined || secretKey.length !== entry.secret.length) return
    if (timingSafeEqual(secretKey, entry.secret)) entry.session.cancel()
  }
}
