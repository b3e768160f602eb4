import type { ConnectTarget, PoolKey } from '../backend/pools.ts'
import type { Config, ConfigDatabase } from '../config/config.ts'
import { databaseOf } from './pool-settings.ts'

/** Where the connections of a pool go: pools bear the clients' names for databases. */
export class ServerTargets {
  #config: Config
  /** Of databases that a reload has removed: clients who came before still use them. */
  readonly #former = new Map<string, ConfigDatabase>()
  /** By database: whose turn of its hosts it is. */
  readonly #turns = new Map<string, number>()

  constructor(config: Config) {
    this.#config = config
  }

  reload(config: Config): void {
    for (const database of this.#config.databases) this.#former.set(database.name, database)
    this.#config = config
  }

  of(key: PoolKey): ConnectTarget {
    const { database: name } = key
    const database =
      databaseOf(this.#config, name) ?? this.#former.get(name) ?? this.#former.get('*')
    if (database === undefined) return targetOf(key, {})
    if (database.sharded) return targetOf(key, database)
    const { hosts, port, dbname, password, user, load_balance_hosts: balance } = database
    const turn = this.#turns.get(key.database) ?? 0
    const [first] = hosts
    const host = hosts[turn % hosts.length] ?? first
    const next = () => this.#turns.set(key.database, turn + 1)
    if (balance === 'round-robin') next()
    return {
      ...targetOf(key, database),
      node: { ...key.node, host, port },
      database: dbname ?? key.database,
      credential:
        password === undefined || user !== key.user ? undefined : { kind: 'password', password },
      failed: next,
    }
  }
}

function targetOf({ node, database }: PoolKey, entry: Partial<ConfigDatabase>): ConnectTarget {
  const { datestyle, timezone, application_name, connect_query } = entry
  return {
    node,
    database,
    credential: undefined,
    parameters: {
      ...(datestyle === undefined ? {} : { DateStyle: datestyle }),
      ...(timezone === undefined ? {} : { TimeZone: timezone }),
      ...(application_name === undefined ? {} : { application_name }),
    },
    connectQuery: connect_query,
    failed: () => undefined,
  }
}
