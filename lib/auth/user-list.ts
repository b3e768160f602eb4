import { AuthFileError } from './auth-file-error.ts'
import { readUserSecret, type UserSecret } from './user-secret.ts'

const ENTRY = /^\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"/
const NOTHING = /^\s*(?:[;#].*)?$/
/** PgBouncer's MAX_USERNAME; Postgres' names are shorter still. */
const MAX_NAME_BYTES = 127

/**
 * PgBouncer's auth_file: lines of "name" "password, md5 secret or SCRAM secret", "" for a quote within; what follows on a line
 * is ignored. Users without a secret are in the result with undefined. Throws AuthFileError.
 */
export function readUserList(
  text: string,
  file: string,
): ReadonlyMap<string, UserSecret | undefined> {
  const users = new Map<string, UserSecret | undefined>()
  const faults: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (NOTHING.test(line)) continue
    const fault = (reason: string) => faults.push(`${file}:${index + 1}: ${reason}`)
    const [, name = '', secret = ''] = ENTRY.exec(line) ?? []
    const user = name.replaceAll('""', '"')
    if (user === '') fault('expected "user name" "secret"')
    else if (Buffer.byteLength(user) > MAX_NAME_BYTES) fault('the user name is too long')
    else if (users.has(user)) fault(`user "${user}" is there twice`)
    else users.set(user, readUserSecret(secret.replaceAll('""', '"')))
  }
  if (faults.length > 0) throw new AuthFileError(faults)
  return users
}
