import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The unprivileged account that runs the servers when we are root; Postgres refuses to run as root. */
export type ServerAccount = { readonly name: string; readonly uid: number; readonly gid: number }

/** `postgres` first: it owns nothing of ours, but its name tells an operator what its processes are. */
const CANDIDATES = ['postgres', 'nobody'] as const

/** undefined: the servers run as ourselves. Throws where we are root and no account fits. */
export function serverAccount(): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n').map(readAccount)
  for (const name of CANDIDATES) {
    const account = accounts.find((candidate) => candidate?.name === name)
    if (account !== undefined) return account
  }
  throw new Error(
    'postgres cannot run as root, and there is neither a user postgres nor nobody to run it: run pgloom as an ordinary user',
  )
}

function readAccount(line: string): ServerAccount | undefined {
  const [name = '', , uid = '', gid = ''] = line.split(':')
  return Number(uid) > 0 ? { name, uid: Number(uid), gid: Number(gid) } : undefined
}

/** The part of child_process' options that drops to the account. */
export function runAs(account: ServerAccount | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid }
}

/** Whether the account may pass through `directory` and all above it, access lists included: it is tried. */
export function canEnter(account: ServerAccount | undefined, directory: string): boolean {
  if (account === undefined) return true
  const trial = ['-c', 'cd -- "$1"', 'sh', directory]
  return spawnSync('/bin/sh', trial, { ...runAs(account), cwd: '/', stdio: 'ignore' }).status === 0
}
