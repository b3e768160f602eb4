import { LruMap } from '../base/lru-map.ts'
import { fakeScramSecret, makeScramSecret, type ScramSecret, saltOf } from '../wire/scram-secret.ts'
import type { UserSecret } from './user-secret.ts'

const MAX_MADE = 10_000

/**
 * The SCRAM secret that a client's proof is checked against, whoever he says he is. Those that we make of plain passwords
 * have the same salt and iterations as those made up for users who don't exist: one can't tell which is which.
 */
export class ScramSecrets {
  readonly #saltKey: Buffer
  readonly #iterations: number
  readonly #made = new LruMap<string, { password: string; secret: Promise<ScramSecret> }>(MAX_MADE)

  constructor(saltKey: Buffer, iterations: number) {
    this.#saltKey = saltKey
    this.#iterations = iterations
  }

  /** undefined and md5 secrets: one that no proof matches. */
  of(user: string, secret: UserSecret | undefined): Promise<ScramSecret> {
    if (secret?.kind === 'scram') return Promise.resolve(secret.secret)
    if (secret?.kind === 'plain') return this.#make(user, secret.password)
    return Promise.resolve(this.fake(user))
  }

  fake(user: string): ScramSecret {
    return fakeScramSecret(user, this.#saltKey, this.#iterations)
  }

  #make(user: string, password: string): Promise<ScramSecret> {
    const known = this.#made.get(user)
    if (known?.password === password) return known.secret
    const secret = makeScramSecret(password, saltOf(user, this.#saltKey), this.#iterations)
    this.#made.set(user, { password, secret })
    return secret
  }
}
