import { LruMap } from '../base/lru-map.ts'
import type { CatalogSource } from '../catalog/catalog.ts'
import type { Config, ConfigDatabase } from '../config/config.ts'
import type { CatalogWatcher } from '../control/catalog-watcher.ts'
import type { DeadlockDetector } from '../control/deadlock-detector.ts'
import type { TransactionRecovery } from '../control/transaction-recovery.ts'
import type { DatabaseServices } from '../session/session-services.ts'
import {
  type DatabasesOptions,
  databaseServices,
  localCatalog,
  makeDeadlockDetector,
  makeRecovery,
  makeWatcher,
} from './database-services.ts'
import { ensureMetadata, ownConnection } from './own-connection.ts'

/** Names that only `*` stands for, and that are remembered. */
const MAX_AUTOMATIC = 1000

/** Makes or upgrades metadata, and finishes what proxies left behind: once a host is enough. */
type Duties = { readonly installs: boolean; readonly recovers: boolean }

export type PreparedDatabases = { commit(): void; abandon(): Promise<void> }

class ShardedDatabase {
  readonly #options: DatabasesOptions
  readonly #database: ConfigDatabase
  readonly watcher: CatalogWatcher
  readonly deadlocks: DeadlockDetector
  readonly recovery: TransactionRecovery

  constructor(options: DatabasesOptions, database: ConfigDatabase) {
    const { config, pools, log } = options
    this.#options = options
    this.#database = database
    this.watcher = makeWatcher(options, database)
    const own = { pools, watcher: this.watcher, log }
    this.recovery = makeRecovery(config, database, own)
    this.deadlocks = makeDeadlockDetector(config, database, own)
  }

  /** Returns when the metadata are known. */
  async start({ installs, recovers }: Duties): Promise<void> {
    const { config, log } = this.#options
    const { name } = this.#database
    if (installs) await ensureMetadata(config, this.#database, log.with({ database: name }))
    await this.watcher.start()
    if (recovers) this.recover()
  }

  recover(): void {
    this.recovery.start()
  }

  async stop(): Promise<void> {
    await Promise.all([this.recovery.stop(), this.deadlocks.stop()])
    await this.watcher.stop()
  }
}

type Entry = {
  readonly database: ConfigDatabase
  readonly services: DatabaseServices
  readonly sharded: ShardedDatabase | undefined
}

/** The databases that clients may ask for: sharded ones, whose metadata we watch, and those that are pooled only. */
export class Databases {
  #options: DatabasesOptions
  #entries: ReadonlyMap<string, Entry>
  #automatic = new LruMap<string, DatabaseServices>(MAX_AUTOMATIC)
  /** Sessions that came before a reload may still use them. */
  readonly #retired: ShardedDatabase[] = []
  #recovers = false
  #isStopped = false

  constructor(options: DatabasesOptions) {
    this.#options = options
    this.#entries = makeEntries(options, { config: options.config, entries: new Map() })
  }

  /** Returns when the metadata of all are known. */
  async start(duties: Duties): Promise<void> {
    this.#recovers = duties.recovers
    await Promise.all(this.#sharded().map((sharded) => sharded.start(duties)))
  }

  /** From now on this process is the one that recovers. */
  recover(): void {
    if (this.#isStopped || this.#recovers) return
    this.#recovers = true
    for (const sharded of this.#sharded()) sharded.recover()
  }

  /**
   * Gets the databases of a new configuration ready, for clients that come after commit(). Rejects where new ones can't be
   * used; nothing has changed then.
   */
  async prepare(config: Config): Promise<PreparedDatabases> {
    const options = { ...this.#options, config }
    const entries = makeEntries(options, { config: this.#options.config, entries: this.#entries })
    const known = new Set(this.#sharded())
    const added = shardedOf(entries).filter((sharded) => !known.has(sharded))
    const duties = { installs: this.#recovers, recovers: this.#recovers }
    const abandon = async () => {
      await Promise.all(added.map((sharded) => sharded.stop()))
    }
    try {
      await Promise.all(added.map((sharded) => sharded.start(duties)))
    } catch (error) {
      await abandon()
      throw error
    }
    return { commit: () => this.#replace(options, entries), abandon }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const all = [...this.#sharded(), ...this.#retired]
    await Promise.all(all.map((sharded) => sharded.stop()))
  }

  /** Whether one that only `*` stands for exists is its server's to say. */
  find(name: string): DatabaseServices | undefined {
    const known = this.#entries.get(name)?.services ?? this.#automatic.get(name)
    const fallback = this.#entries.get('*')
    if (name !== '*' && known !== undefined) return known
    if (fallback === undefined) return undefined
    const { database } = fallback
    const made = databaseServices(this.#options, database, name, localCatalog(database, name))
    this.#automatic.set(name, made)
    return made
  }

  deadlockDetector(name: string): DeadlockDetector | undefined {
    return this.#entries.get(name)?.sharded?.deadlocks
  }

  #sharded(): ShardedDatabase[] {
    return shardedOf(this.#entries)
  }

  #replace(options: DatabasesOptions, entries: ReadonlyMap<string, Entry>): void {
    const kept = new Set(shardedOf(entries))
    this.#retired.push(...this.#sharded().filter((sharded) => !kept.has(sharded)))
    this.#options = options
    this.#entries = entries
    this.#automatic = new LruMap(MAX_AUTOMATIC)
  }
}

/** Those that are where they were stay the same. */
function makeEntries(
  options: DatabasesOptions,
  former: { readonly config: Config; readonly entries: ReadonlyMap<string, Entry> },
): ReadonlyMap<string, Entry> {
  const { config } = options
  return new Map(
    config.databases.map((database) => {
      const known = former.entries.get(database.name)
      const place = placeOf(config, database)
      const isSame = known !== undefined && placeOf(former.config, known.database) === place
      return [database.name, isSame ? { ...known, database } : makeEntry(options, database)]
    }),
  )
}

function makeEntry(options: DatabasesOptions, database: ConfigDatabase): Entry {
  const { name } = database
  const sharded = database.sharded ? new ShardedDatabase(options, database) : undefined
  const catalogs: CatalogSource = sharded?.watcher ?? localCatalog(database, name)
  const services = databaseServices(options, database, name, catalogs, sharded)
  return { database, sharded, services }
}

function shardedOf(entries: ReadonlyMap<string, Entry>): ShardedDatabase[] {
  return [...entries.values()].flatMap(({ sharded }) => sharded ?? [])
}

/** What a session can't exchange under way. */
function placeOf(config: Config, database: ConfigDatabase): string {
  const { sharded, hosts, port, dbname, user } = database
  const own = sharded ? ownConnection(config, database) : undefined
  const metadata = own === undefined ? [] : [own.user, own.password]
  return JSON.stringify([sharded, hosts, port, dbname, user, metadata])
}
