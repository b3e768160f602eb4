import { Authenticator, type AuthenticatorOptions } from '../../lib/auth/authenticator.ts'
import { ruleForAll } from '../../lib/auth/hba-rules.ts'
import { HeldCredentials } from '../../lib/auth/held-credentials.ts'
import { SYSTEM_RESOLVER } from '../../lib/auth/host-name.ts'
import { DEFAULT_POOLS_OPTIONS, Pools, type PoolsOptions } from '../../lib/backend/pools.ts'
import { TrafficTable } from '../../lib/backend/traffic-counters.ts'
import { Log } from '../../lib/base/log.ts'
import type { Catalog, CatalogSource } from '../../lib/catalog/catalog.ts'
import type { ClusterCommands } from '../../lib/executor/ports.ts'
import { CancelKeys } from '../../lib/session/client/cancel-keys.ts'
import { type ClientCustoms, DEFAULT_CUSTOMS } from '../../lib/session/client/client-customs.ts'
import { CountedClientSlots } from '../../lib/session/client/client-slots.ts'
import { ClientTls } from '../../lib/session/client/client-tls.ts'
import { DEFAULT_LISTENING_OPTIONS } from '../../lib/session/client/listening-ports.ts'
import { Listener } from '../../lib/session/listener.ts'
import type { DatabaseServices } from '../../lib/session/session-services.ts'
import {
  NO_LIMITS,
  type SessionLimits,
  SessionTimers,
  type TimeLimits,
} from '../../lib/session/session-timers.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { DEFAULT_FRAME_LIMITS } from '../../lib/wire/frame-reader.ts'
import { NO_TLS, type TlsOptions } from '../../lib/wire/tls-options.ts'
import type { Teardown } from './stock-postgres.ts'

export const TRUST: AuthenticatorOptions = {
  rules: [ruleForAll('trust')],
  identMap: [],
  users: new Map(),
  lookup: undefined,
  roleLookup: { rolesOf: () => Promise.reject(new Error('nobody knows roles')) },
  resolver: SYSTEM_RESOLVER,
  saltKey: Buffer.from('key'),
  scramIterations: 4096,
  prefersScram: false,
  requiresEncryption: false,
  requiresCertificate: false,
  allowsPlainPassword: false,
}

type SwitchedLimits = Partial<SessionLimits> & {
  readonly waitNotifyMs?: number
  readonly acquireTimeoutMs?: number
}

/**
 * Time limits that a test sets when what they are to end is under way. What comes before and after stands under none, so that
 * nothing has to be quick.
 */
export class LimitSwitch {
  #reload: ((limits: SwitchedLimits) => void) | undefined

  /** Hold from now on, in place of those before; `{}`: none. */
  set(limits: SwitchedLimits): void {
    if (this.#reload === undefined) throw new Error('no proxy has these limits')
    this.#reload(limits)
  }

  attach(reload: (limits: SwitchedLimits) => void): void {
    this.#reload = reload
  }
}

export type LocalProxyOptions = {
  readonly pool?: Partial<PoolsOptions>
  /** None until they are set. */
  readonly limits?: LimitSwitch
  readonly customs?: Partial<ClientCustoms>
  readonly loginTimeoutMs?: number
  readonly abandonMs?: number
  readonly log?: Log
}

/** A proxy in this process before one server without metadata: everything is local. Returns its port. */
export async function localProxy(
  t: Teardown,
  server: { readonly host: string; readonly port: number },
  authentication: AuthenticatorOptions = TRUST,
  maxConnections = DEFAULT_POOLS_OPTIONS.maxConnections,
  clientTls: TlsOptions = NO_TLS,
  {
    pool,
    limits,
    customs,
    loginTimeoutMs = 60_000,
    abandonMs,
    log = new Log('error'),
  }: LocalProxyOptions = {},
): Promise<number> {
  const credentials = new HeldCredentials()
  const poolsOptions: PoolsOptions = {
    ...DEFAULT_POOLS_OPTIONS,
    maxConnections,
    ...pool,
    credentialOf: ({ database, user }) => credentials.of(database, user),
  }
  const pools = new Pools(poolsOptions)
  const timers = new SessionTimers(timeLimits(loginTimeoutMs, {}), abandonMs)
  limits?.attach((switched) => {
    const { acquireTimeoutMs = poolsOptions.acquireTimeoutMs } = switched
    timers.reload(timeLimits(loginTimeoutMs, switched))
    pools.reload({ ...poolsOptions, acquireTimeoutMs })
  })
  const databases = new Map<string, DatabaseServices>()
  const makeDatabase = (name: string): DatabaseServices => {
    const known = databases.get(name)
    if (known !== undefined) return known
    const unused = (): never => {
      throw new Error('nothing is distributed here')
    }
    const commands: ClusterCommands = {
      callFunction: unused,
      parameterTypes: unused,
      runDdl: unused,
      refreshSizes: () => Promise.resolve(),
    }
    const made = { catalogs: emptyCatalog(name, server), commands, executor: { run: unused } }
    databases.set(name, made)
    return made
  }
  const services = {
    authenticator: new Authenticator(authentication),
    credentials,
    clientTls: new ClientTls(clientTls),
    cancelKeys: new CancelKeys(),
    clientSlots: new CountedClientSlots({ total: 100, ofDatabase: () => 0, ofUser: () => 0 }),
    parser: await ParserHost.create(),
    pools,
    log,
    limits: DEFAULT_FRAME_LIMITS,
    customs: { ...DEFAULT_CUSTOMS, ...customs },
    timers,
    observer: undefined,
    traffic: new TrafficTable(),
    console: undefined,
    database: makeDatabase,
  }
  const listener = await Listener.open(DEFAULT_LISTENING_OPTIONS, services)
  t.teardown(async () => {
    await listener.close()
    pools.closeAll()
  })
  return listener.port
}

function timeLimits(
  loginTimeoutMs: number,
  { waitNotifyMs = 0, acquireTimeoutMs: _ofPools, ...limits }: SwitchedLimits,
): TimeLimits {
  return { loginTimeoutMs, waitNotifyMs, of: () => ({ ...NO_LIMITS, ...limits }) }
}

function emptyCatalog(
  database: string,
  server: { readonly host: string; readonly port: number },
): CatalogSource {
  const node = { nodeId: 1, groupId: 0, isActive: true, shouldHaveShards: true }
  const catalog: Catalog = {
    database,
    version: 1,
    isInstalled: false,
    nodes: [{ ...node, host: server.host, port: server.port }],
    tables: new Map(),
    views: new Map(),
    shadowingRelations: new Set(),
    shellOids: new Map(),
  }
  return {
    current: () => catalog,
    refresh: () => Promise.resolve(catalog),
    readThrough: () => Promise.resolve(catalog),
  }
}
