import { createHash } from 'node:crypto'

/** Hex of md5(password user). */
const SECRET = /^md5([0-9a-f]{32})$/

/** What a server keeps of a password when password_encryption is md5: as good as the password towards md5 servers. */
export function md5Secret(user: string, password: string): string {
  return `md5${createHash('md5').update(password).update(user).digest('hex')}`
}

export function isMd5Secret(text: string): boolean {
  return SECRET.test(text)
}

/** The answer to AuthenticationMD5Password: `md5` and hex(md5(hex(md5(password user)) salt)). */
export function md5Response(secret: string, salt: Buffer): string {
  const inner = SECRET.exec(secret)?.[1]
  if (inner === undefined) throw new Error('not an md5 secret')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}
