import { LruMap } from '../base/lru-map.ts'

/** Also for users who don't exist: they must not be told by the time that they take. */
const USUAL_MS = 10_000
const MAX_ANSWERS = 10_000

/** What servers have said of users, for a while; those who ask for the same meanwhile share one answer. */
export class AnswerCache<T> {
  readonly #answers = new LruMap<string, { answer: Promise<T>; expiresAtMs: number }>(MAX_ANSWERS)
  readonly #keepMs: number

  constructor(keepMs = USUAL_MS) {
    this.#keepMs = keepMs
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key)
    if (known !== undefined && known.expiresAtMs > performance.now()) return known.answer
    const answer = ask()
    this.#answers.set(key, { answer, expiresAtMs: performance.now() + this.#keepMs })
    // a server that is down is asked again
    answer.catch(() => this.#answers.delete(key))
    return answer
  }

  delete(key: string): void {
    this.#answers.delete(key)
  }

  clear(): void {
    this.#answers.clear()
  }
}
