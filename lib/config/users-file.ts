import { readFileSync } from 'node:fs'
import type { ConfigUser } from './config.ts'

/** PgBouncer's auth_file: `"name" "secret"` a line, two double quotes for one; the rest of the line is not read. */
const LINE = /^"((?:[^"]|"")*)"\s*"((?:[^"]|"")*)"/
const MD5_SECRET = /^md5[0-9a-f]{32}$/
const SCRAM_SECRET = /^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/

export type UsersFile = {
  /** The last line of a name holds. */
  readonly users: readonly ConfigUser[]
  /** Each as `file:line: reason`, never with what the line says. */
  readonly faults: readonly string[]
}

/** Throws what the file system does. */
export function readUsersFile(file: string): UsersFile {
  const users = new Map<string, ConfigUser>()
  const faults: string[] = []
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((raw, index) => {
      const line = raw.trim()
      if (line === '' || line.startsWith(';')) return
      const [whole, name = '', secret = ''] = LINE.exec(line) ?? []
      if (whole === undefined || name === '') {
        faults.push(`${file}:${index + 1}: must be "name" "password or secret"`)
        return
      }
      const user = unquote(name)
      users.set(user, { name: user, ...secretOf(unquote(secret)) })
    })
  return { users: [...users.values()], faults }
}

function unquote(text: string): string {
  return text.replaceAll('""', '"')
}

function secretOf(secret: string): Omit<ConfigUser, 'name'> {
  if (secret === '') return {}
  if (MD5_SECRET.test(secret)) return { md5_secret: secret }
  return SCRAM_SECRET.test(secret) ? { scram_secret: secret } : { password: secret }
}
