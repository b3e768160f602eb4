import type { AuthenticatorOptions } from '../../lib/auth/authenticator.ts'
import { type HbaMethod, ruleForAll } from '../../lib/auth/hba-rules.ts'
import { readUserSecret, type UserSecret } from '../../lib/auth/user-secret.ts'
import { TRUST } from './local-proxy.ts'

/** Nobody listens there: proving who one is needs no server. */
export const NO_SERVER = { host: '127.0.0.1', port: 1 }

/** One method for everyone; secrets as in PgBouncer's auth_file. */
export function authenticationBy(
  method: HbaMethod,
  secrets: Readonly<Record<string, string>>,
  more: Partial<AuthenticatorOptions> = {},
): AuthenticatorOptions {
  const users = new Map<string, UserSecret>()
  for (const [name, text] of Object.entries(secrets)) {
    const secret = readUserSecret(text)
    if (secret !== undefined) users.set(name, secret)
  }
  const prefersScram = [...users.values()].some(({ kind }) => kind === 'scram')
  return { ...TRUST, rules: [ruleForAll(method)], users, prefersScram, ...more }
}
