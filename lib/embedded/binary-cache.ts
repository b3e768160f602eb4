import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

export type PackagedLink = { readonly source: string; readonly target: string }

/**
 * A complete copy of a package's `native` directory, readable by everyone and writable by us alone; made once per
 * `key`. Safe to call from several processes at once: each makes its own and the first rename wins.
 */
export function cachedCopy(native: string, key: string): string {
  const cache = cacheDirectory()
  const copy = join(cache, key)
  if (!existsSync(copy)) makeCopy(native, copy)
  assertOurs(copy)
  return copy
}

function makeCopy(native: string, copy: string): void {
  const staging = mkdtempSync(`${copy}.`)
  try {
    cpSync(native, staging, { recursive: true, verbatimSymlinks: true })
    chmodSync(staging, 0o755)
    for (const link of packagedLinks(native)) recreateLink(staging, link)
    renameSync(staging, copy)
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    if (!existsSync(copy)) throw error
  }
}

/** The symlinks that npm's archives can't hold, as paths relative to the package (`native/lib/...`). */
export function packagedLinks(native: string): readonly PackagedLink[] {
  const list = join(native, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as readonly PackagedLink[]) : []
}

function recreateLink(staging: string, { source, target }: PackagedLink): void {
  const link = join(staging, relative('native', target))
  if (existsSync(link)) return
  symlinkSync(relative(dirname(target), source), link)
}

/**
 * The first place that is ours. Code is run from here, so a directory that someone else could have put there
 * or can write to is passed over.
 */
function cacheDirectory(): string {
  const refused: string[] = []
  for (const place of cachePlaces()) {
    try {
      mkdirSync(place, { recursive: true, mode: 0o755 })
      assertOurs(place)
      return place
    } catch (error) {
      refused.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(`no place for a copy of the Postgres binaries: ${refused.join('; ')}`)
}

function cachePlaces(): readonly string[] {
  const user = process.getuid?.() ?? 0
  const inTemporary = join(tmpdir(), `pgloom-cache-${user}`)
  if (user === 0 && process.platform !== 'win32') return ['/var/cache/pgloom', inTemporary]
  const { XDG_CACHE_HOME: cacheHome = join(homedir(), '.cache') } = process.env
  return [join(cacheHome, 'pgloom'), inTemporary]
}

function assertOurs(directory: string): void {
  if (process.platform === 'win32') return
  const status = lstatSync(directory)
  const isOurs = status.isDirectory() && status.uid === process.getuid?.()
  if (!isOurs || (status.mode & 0o022) !== 0) {
    throw new Error(`${directory} is not a directory that only this user can write to`)
  }
}
