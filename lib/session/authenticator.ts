import { randomBytes } from 'node:crypto'
import { fakeScramSecret, type ScramSecret } from '../wire/scram-secret.ts'

export type AuthenticatorOptions = {
  /** trust: whoever may connect may be any user. */
  readonly method: 'trust' | 'scram-sha-256'
  /** By user name; used with scram-sha-256 only. */
  readonly secrets: ReadonlyMap<string, ScramSecret>
}

export type AuthenticationRule =
  | { readonly method: 'trust' }
  | { readonly method: 'scram-sha-256'; readonly secret: ScramSecret }

/** Who may log in, and how they prove it. A user we don't know goes through the same conversation, and fails. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #fakeSaltKey = randomBytes(32)

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  ruleFor(user: string): AuthenticationRule {
    if (this.#options.method === 'trust') return { method: 'trust' }
    const secret = this.#options.secrets.get(user) ?? fakeScramSecret(user, this.#fakeSaltKey)
    return { method: 'scram-sha-256', secret }
  }
}
