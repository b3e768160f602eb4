import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, startTime } from './process-identity.ts'

/**
 * One pgloom a data directory. A file rather than a kernel lock, since Node has none: it holds our PID and start time, and a
 * lock whose process has gone (kill -9) is taken over.
 */
export class DirectoryLock {
  readonly #file: string
  readonly #content: string

  private constructor(file: string, content: string) {
    this.#file = file
    this.#content = content
  }

  /** Throws when another living process holds the directory. */
  static acquire(directory: string): DirectoryLock {
    const file = join(directory, 'pgloom.lock')
    const content = `${process.pid} ${startTime(process.pid)}\n`
    const own = `${file}.${process.pid}`
    writeFileSync(own, content)
    try {
      if (!tryLink(own, file)) takeOver(directory, own, file)
    } finally {
      rmSync(own, { force: true })
    }
    return new DirectoryLock(file, content)
  }

  release(): void {
    if (contentOf(this.#file) === this.#content) rmSync(this.#file, { force: true })
  }
}

function takeOver(directory: string, own: string, file: string): void {
  const found = contentOf(file)
  if (found !== undefined) {
    assertStale(directory, found)
    const aside = `${own}.stale`
    renameSync(file, aside)
    const moved = contentOf(aside)
    // Between our look and our rename another process may have taken the stale lock over: give it back.
    if (moved !== found) tryLink(aside, file)
    rmSync(aside, { force: true })
  }
  if (!tryLink(own, file)) throw new Error(`${directory} is being taken by another pgloom`)
}

function assertStale(directory: string, found: string): void {
  const [pid = '', started = ''] = found.trim().split(' ')
  if (!isAlive(Number(pid)) || startTime(Number(pid)) !== started) return
  throw new Error(
    `${directory} is in use by pgloom process ${pid}: stop that one, or choose another directory with --data`,
  )
}

/** Atomic: false when `file` exists already. */
function tryLink(from: string, file: string): boolean {
  try {
    linkSync(from, file)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
