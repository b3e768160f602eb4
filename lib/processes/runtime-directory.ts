import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const OTHERS = 0o077

/** Where processes of this user find each other: of systemd, of the login, or below the directory for temporary files. */
export function defaultRuntimeDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const { RUNTIME_DIRECTORY: ofService, XDG_RUNTIME_DIR: ofLogin } = env
  if (ofService !== undefined) return ofService.split(':')[0] ?? ofService
  if (ofLogin !== undefined) return join(ofLogin, 'pgloom')
  return join(tmpdir(), `pgloom-${process.getuid?.() ?? 0}`)
}

/** Throws when others than this user could get at what is in there. */
export function openRuntimeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  const isOurs = found.isDirectory() && found.uid === process.getuid?.()
  if (isOurs && (found.mode & OTHERS) === 0) return
  throw new Error(`the runtime directory ${directory} must be ours, with mode 0700`)
}

export function controlSocketPath(directory: string, port: number): string {
  return join(directory, `pgloom-${port}.sock`)
}
