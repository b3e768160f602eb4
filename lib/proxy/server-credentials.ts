import type { ServerCredential } from '../backend/server-credential.ts'
import type { Config } from '../config/config.ts'

/** By user: what we send to servers that ask for it. */
export function serverCredentials({ users }: Config): ReadonlyMap<string, ServerCredential> {
  const credentials = new Map<string, ServerCredential>()
  for (const user of users) {
    const password = user.server_password ?? user.password
    if (password !== undefined) credentials.set(user.name, { kind: 'password', password })
  }
  return credentials
}
