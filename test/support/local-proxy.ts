import { Authenticator, type AuthenticatorOptions } from '../../lib/auth/authenticator.ts'
import { ruleForAll } from '../../lib/auth/hba-rules.ts'
import { HeldCredentials } from '../../lib/auth/held-credentials.ts'
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
import { NO_LIMITS, type SessionLimits, SessionTimers } from '../../lib/session/session-timers.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { DEFAULT_FRAME_LIMITS } from '../../lib/wire/frame-reader.ts'
import { NO_TLS, type TlsOptions } from '../../lib/wire/tls-options.ts'
import type { Teardown } from './stock-postgres.ts'

export const TRUST: AuthenticatorOptions = {
  rules: [ruleForAll('trust')],
  identMap: [],
  users: new Map(),
  lookup: undefined,
  saltKey: Buffer.from('key'),
  scramIterations: 4096,
  prefersScram: false,
  requiresEncryption: false,
  requiresCertificate: false,
  allowsPlainPassword: false,
}

export type LocalProxyOptions = {
  readonly pool?: Partial<PoolsOptions>
  readonly limits?: Partial<SessionLimits>
  readonly customs?: Partial<ClientCustoms>
  readonly waitNotifyMs?: number
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
    waitNotifyMs = 0,
    loginTimeoutMs = 10_000,
    abandonMs,
    log = new Log('error'),
  }: LocalProxyOptions = {},
): Promise<number> {
  const credentials = new HeldCredentials()
  const pools = new Pools({
    ...DEFAULT_POOLS_OPTIONS,
    maxConnections,
    ...pool,
    credentialOf: ({ database, user }) => credentials.of(database, user),
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
    timers: new SessionTimers(
      { loginTimeoutMs, waitNotifyMs, of: () => ({ ...NO_LIMITS, ...limits }) },
      abandonMs,
    ),
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
