import { createHash, timingSafeEqual } from 'node:crypto'
import type { ServerCredential } from '../backend/server-credential.ts'
import { isMd5Secret, md5Response, md5Secret } from '../wire/md5.ts'
import { parseScramSecret, type ScramSecret } from '../wire/scram-secret.ts'

/** What a user's password is checked against. Never logged, never shown. */
export type UserSecret =
  | { readonly kind: 'plain'; readonly password: string }
  | { readonly kind: 'md5'; readonly secret: string }
  | { readonly kind: 'scram'; readonly secret: ScramSecret }

/** Reads what PgBouncer's auth_file and pg_authid hold. undefined: there is none, no password is right. */
export function readUserSecret(text: string): UserSecret | undefined {
  if (text === '') return undefined
  if (isMd5Secret(text)) return { kind: 'md5', secret: text }
  const secret = parseScramSecret(text)
  return secret === undefined ? { kind: 'plain', password: text } : { kind: 'scram', secret }
}

/** What a server may be told for this user without any help of a client. */
export function credentialOfSecret(secret: UserSecret): ServerCredential | undefined {
  switch (secret.kind) {
    case 'plain':
      return { kind: 'password', password: secret.password }
    case 'md5':
      return { kind: 'md5', secret: secret.secret }
    case 'scram':
      return undefined
  }
}

/** The md5 secret, for which a client's answer can be computed; undefined for SCRAM. */
export function md5SecretOf(user: string, secret: UserSecret): string | undefined {
  switch (secret.kind) {
    case 'plain':
      return md5Secret(user, secret.password)
    case 'md5':
      return secret.secret
    case 'scram':
      return undefined
  }
}

export function isMd5Answer(secret: string, salt: Buffer, answer: string): boolean {
  return equalsSecret(md5Response(secret, salt), answer)
}

/** Takes the same time for all texts of one length (pgdog #1032). */
export function equalsSecret(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(expected), digest(given))
}
