import type { ConfigSource, KeyPath } from './config-source.ts'
import { readConnectionString } from './connection-string.ts'
import { didYouMean } from './did-you-mean.ts'
import { type IniEntry, readIni } from './ini-file.ts'
import { INI_DATABASE_KEYS, INI_KEYS, INI_USER_KEYS, type IniKind } from './ini-keys.ts'
import { type IniValue, readIniValue } from './ini-value.ts'

type Mapping = Record<string, unknown>

const SECTIONS = ['databases', 'users', 'pgbouncer', 'peers']

/** What PgBouncer has where its file says nothing, and our own file has something else. */
const DEFAULT_SOCKET_DIRECTORY = '/tmp'
function defaults(): Mapping {
  return {
    listen: { host: [], unix_socket_dir: DEFAULT_SOCKET_DIRECTORY, backlog: 128 },
    // it has no such port: nothing is opened that was not asked for
    http: { enabled: false },
    auth: { type: 'md5' },
    pool: { pool_mode: 'session' },
  }
}

/** A pgbouncer.ini; what PgBouncer would refuse is among the faults. */
export function readPgbouncerIni(text: string, file: string): ConfigSource {
  const { entries, faults } = readIni(text, file)
  const builder = new IniBuilder(file, faults)
  for (const entry of entries) builder.add(entry)
  return builder.finish()
}

class IniBuilder {
  readonly #file: string
  readonly #content = defaults()
  readonly #databases = new Map<string, Mapping>()
  readonly #users = new Map<string, Mapping>()
  readonly #faults: string[]
  readonly #warnings: string[] = []
  readonly #strangers = new Set<string>()
  /** By the path's keys, joined: the last entry that said something about it. */
  readonly #entries = new Map<string, IniEntry>()

  constructor(file: string, faults: readonly string[]) {
    this.#file = file
    this.#faults = [...faults]
  }

  add(entry: IniEntry): void {
    switch (entry.section) {
      case 'pgbouncer':
        this.#addParameter(entry)
        break
      case 'databases':
        this.#addNamed(entry, this.#databases, INI_DATABASE_KEYS)
        break
      case 'users':
        this.#addNamed(entry, this.#users, INI_USER_KEYS)
        break
      case 'peers':
        this.#warnings.push(
          `${entry.place}: peers are not supported: [peers] ${entry.key} is ignored`,
        )
        break
      default:
        this.#addStranger(entry)
    }
  }

  /** Once for each section. */
  #addStranger({ section, place }: IniEntry): void {
    if (this.#strangers.has(section)) return
    this.#strangers.add(section)
    const guess = didYouMean(section, SECTIONS)
    this.#faults.push(`${place}: unknown section [${section}]${guess}`)
  }

  finish(): ConfigSource {
    const listen = this.#content['listen'] as Mapping
    const socketDirectory = listen['unix_socket_dir'] ?? DEFAULT_SOCKET_DIRECTORY
    const databases = [...this.#databases].map(([name, database]) => {
      return { name, sharded: false, host: socketDirectory, ...database }
    })
    const users = [...this.#users].map(([name, user]) => ({ name, ...user }))
    return {
      content: { ...this.#content, databases, users },
      directory: process.cwd(),
      warnings: this.#warnings,
      faults: this.#faults,
      where: (path) => (this.#entryOf(path) ?? this.#reasonFor(path))?.place ?? this.#file,
      nameOf: (path) => this.#nameOf(path),
    }
  }

  #addParameter(entry: IniEntry): void {
    const { key, value: text, place } = entry
    const known = INI_KEYS.get(key)
    if (known === undefined) {
      const guess = didYouMean(key, INI_KEYS.keys())
      this.#faults.push(`${place}: ${key}: unknown parameter${guess}`)
    } else if ('unsupported' in known) {
      if (text === known.harmless) return
      this.#warnings.push(`${place}: ${key} is not supported: ${known.unsupported}`)
    } else {
      const value = this.#valueOf(readIniValue(text, known.kind), key, place)
      const path = known.path.split('.')
      this.#entries.set(path.join('.'), entry)
      setAt(this.#content, path, value)
    }
  }

  #addNamed(
    entry: IniEntry,
    named: Map<string, Mapping>,
    keys: ReadonlyMap<string, { key: string; kind: IniKind }>,
  ): void {
    const { section, key: name, value: text, place } = entry
    const pairs = readConnectionString(text)
    if (pairs === undefined) this.#faults.push(`${place}: ${name}: must be pairs of key=value`)
    const made: Mapping = {}
    for (const { key, value } of pairs ?? []) {
      const known = keys.get(key)
      const isUnset = value === '-1' && known?.kind !== 'text'
      if (known === undefined) {
        const guess = didYouMean(key, keys.keys())
        this.#faults.push(`${place}: ${name}: unknown key ${key}${guess}`)
      } else if (!isUnset) {
        const read = this.#valueOf(readIniValue(value, known.kind), `${name}: ${key}`, place)
        if (read !== undefined) made[known.key] = read
      }
    }
    // the last one of a name holds
    named.delete(name)
    named.set(name, made)
    this.#entries.set(`${section}.${name}`, entry)
  }

  #valueOf(read: IniValue, key: string, place: string): unknown {
    if ('value' in read) return read.value
    this.#faults.push(`${place}: ${key}: ${read.fault}`)
    return undefined
  }

  #entryOf(path: KeyPath): IniEntry | undefined {
    const [section = '', index = ''] = path
    const named = this.#named(section)
    if (named === undefined)
      return (
        this.#entries.get(path.slice(0, 3).join('.')) ??
        this.#entries.get(path.slice(0, 2).join('.'))
      )
    return this.#entries.get(`${section}.${[...named.keys()][Number(index)]}`)
  }

  /** What makes a missing key needed: the mode of TLS, or of logging in. */
  #reasonFor(path: KeyPath): IniEntry | undefined {
    const around = path.slice(0, -1).join('.')
    return this.#entries.get(`${around}.sslmode`) ?? this.#entries.get(`${around}.type`)
  }

  #named(section: string): ReadonlyMap<string, Mapping> | undefined {
    if (section === 'databases') return this.#databases
    return section === 'users' ? this.#users : undefined
  }

  /** As PgBouncer calls it, where it has a name for it. */
  #nameOf(path: KeyPath): string {
    const entry = this.#entryOf(path)
    if (entry === undefined) return iniNameOf(path) ?? path.join('.')
    return entry.section === 'pgbouncer' ? entry.key : [entry.key, ...path.slice(2)].join(': ')
  }
}

function iniNameOf(path: KeyPath): string | undefined {
  const wanted = path.join('.')
  return [...INI_KEYS].find(([, known]) => 'path' in known && known.path === wanted)?.[0]
}

function setAt(content: Mapping, path: KeyPath, value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    if (value === undefined) delete content[key]
    else content[key] = value
    return
  }
  content[key] ??= {}
  setAt(content[key] as Mapping, rest, value)
}
