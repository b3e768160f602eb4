import { SessionSettings } from '../backend/session-state.ts'
import type { TrafficCounters } from '../backend/traffic-counters.ts'
import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CatalogSource } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { checkClusterSetting, clusterSettingName } from '../catalog/cluster-settings.ts'
import { SessionStatementContext } from '../executor/statement-context.ts'
import { LaneLender } from '../executor/transaction/lane-lender.ts'
import { SparePools } from '../executor/transaction/spare-pools.ts'
import { SessionTransaction } from '../executor/transaction/transaction.ts'
import { quoteLiteral } from '../planner/setting-values.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import { applicationNameAt, type ClientCustoms } from './client/client-customs.ts'
import type { Login } from './client/client-handshake.ts'
import type { ClientOutput } from './client/client-output.ts'
import type { ClientSocket } from './client/client-socket.ts'
import { PreparedStatements } from './extended/prepared-statements.ts'
import { PlacementRetry } from './placement-retry.ts'
import { searchPathSql } from './search-path.ts'
import { SessionCatalog } from './session-catalog.ts'
import { SessionChannels } from './session-channels.ts'
import type { SessionParts } from './session-parts.ts'
import { SessionServers } from './session-servers.ts'
import type { DatabaseServices, PlanRunner, SessionServices } from './session-services.ts'
import { SettingCommands } from './setting-commands.ts'
import { StatementClock, usualTier } from './statement-clock.ts'
import { PlanCache, StatementPlanner } from './statement-planner.ts'
import type { StatementRelay } from './statement-relay.ts'
import { StatementStatistics } from './statement-statistics.ts'
import { TemporaryViews } from './temporary-views.ts'

/** What the session lends to its parts. */
export type SessionFrame = {
  readonly sessionId: number
  readonly socket: ClientSocket
  readonly output: ClientOutput
  readonly relay: StatementRelay
  readonly counters: TrafficCounters
  signal(): AbortSignal
  /** Between two messages. */
  isIdle(): boolean
  /** Ends the session with a FATAL error. */
  fail(error: RouterError): void
  /** The context ends with the statement at hand. */
  track(context: SessionStatementContext): void
}

export function databaseOf(services: SessionServices, name: string): DatabaseServices {
  const found = services.database(name)
  if (found !== undefined) return found
  throw new RouterError(SqlState.invalidCatalogName, `database "${name}" does not exist`, {
    severity: 'FATAL',
  })
}

const planCaches = new WeakMap<CatalogSource, PlanCache>()

/** One for each database. */
function planCacheOf(catalogs: CatalogSource): PlanCache {
  const known = planCaches.get(catalogs)
  if (known !== undefined) return known
  const cache = new PlanCache()
  planCaches.set(catalogs, cache)
  return cache
}

/** The parts of a session whose client has proved who it is. Nothing is connected yet. */
export function makeParts(
  services: SessionServices,
  database: DatabaseServices,
  login: Login,
  frame: SessionFrame,
): SessionParts {
  const { pools, log, parser, observer } = services
  const { catalogs: shared, commands, executor, allowsOnePhase = false } = database
  const user = database.serverUser ?? login.user
  const catalogs = new SessionCatalog(shared)
  const { sessionId, output, relay, counters, signal, track } = frame
  const settings = new SessionSettings()
  const temporaryNames = new Set<string>()
  const temporaryViews = new TemporaryViews()
  const channels: SessionChannels = new SessionChannels(
    () => pools.listener(coordinatorOf(shared.current()), login.database, user),
    {
      get isIdle() {
        return frame.isIdle() && transaction.status === TransactionStatus.idle
      },
      write: (chunk, start, end) => output.write(chunk, start, end),
      fail: (error) => frame.fail(error),
    },
  )
  const lending = { pools, catalog: catalogs, database: login.database, user, settings }
  const transaction: SessionTransaction = new SessionTransaction({
    ...lending,
    counters,
    temporaryNames,
    allowsOnePhase,
    followers: [catalogs, channels, temporaryViews],
    log: log.with({ session: sessionId }),
  })
  const spare = new SparePools(lending)
  const statistics = new StatementStatistics(services.traffic.queries, lending)
  const clock = new StatementClock(counters, observer, statistics)
  const context = () => {
    const current = catalogs.current()
    const own = new SessionStatementContext(transaction, current, output, signal(), spare)
    track(own)
    return own
  }
  return {
    log: log.with({ session: sessionId }),
    sessionId,
    user,
    output,
    relay,
    transaction,
    servers: new SessionServers(output, transaction, relay),
    lanes: new LaneLender(lending),
    settings,
    initialSettings: initialSettings(login, services.customs, frame.socket),
    ignoredParameters: services.customs.ignoredParameters,
    catalogs,
    placements: new PlacementRetry({ catalogs, transaction, output, signal }),
    channels,
    planner: new StatementPlanner(parser, planCacheOf(shared)),
    prepared: new PreparedStatements(),
    clock,
    statistics,
    counters,
    temporaryNames,
    temporaryViews,
    commands,
    signal,
    context,
    execute: counted(executor, clock, statistics),
  }
}

function counted(
  executor: PlanRunner,
  clock: StatementClock,
  statistics: StatementStatistics,
): SessionParts['execute'] {
  return async (plan, execution, context) => {
    statistics.begins(execution.text)
    const tag = await executor.run(plan, execution, context)
    clock.done(context.tier ?? usualTier(plan.kind))
    return tag
  }
}

/**
 * Asks the coordinator whether this user may use this database, and with which parameters: the values for
 * ParameterStatus. Its own refusal (3D000, 28000, 42501 …) is thrown, FATAL.
 */
export async function openOnCoordinator(parts: SessionParts): Promise<ReadonlyMap<string, string>> {
  const { transaction, catalogs, signal } = parts
  try {
    const { nodeId } = coordinatorOf(catalogs.current())
    const connection = await transaction.connection(nodeId, 'read', signal())
    await new SettingCommands(parts).applyInitial(connection)
    const parameters = sharedParameters(connection.parameters)
    transaction.endStatement(false)
    return parameters
  } catch (error) {
    transaction.endStatement(true)
    throw asFatal(error)
  }
}

/** Rolls back, gives the connections back. */
export async function closeParts(parts: SessionParts | undefined): Promise<void> {
  parts?.channels.clear()
  try {
    await parts?.transaction.close()
  } catch (error) {
    parts?.log.warn('could not end a session cleanly', { error })
  }
}

/** As servers reported them: thousands of clients are told the same. */
const knownParameters = new Map<string, ReadonlyMap<string, string>>()
const MAX_KNOWN_PARAMETERS = 100

function sharedParameters(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const key = JSON.stringify([...parameters])
  const known = knownParameters.get(key)
  if (known !== undefined) return known
  if (knownParameters.size >= MAX_KNOWN_PARAMETERS) knownParameters.clear()
  const made = new Map(parameters)
  knownParameters.set(key, made)
  return made
}

function asFatal(error: unknown): unknown {
  if (!(error instanceof RouterError) || error.severity === 'FATAL') return error
  const { sqlState, message, detail, hint } = error
  return new RouterError(sqlState, message, {
    severity: 'FATAL',
    cause: error instanceof ServerError ? undefined : error,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
}

function initialSettings(
  login: Login,
  { addsHostToApplicationName }: ClientCustoms,
  socket: ClientSocket,
): Map<string, string> {
  const settings = new Map<string, string>([['application_name', "''"]])
  for (const [name, value] of login.settings) {
    const key = name.toLowerCase()
    if (key === 'client_encoding') continue
    const own = clusterSettingName(key)
    if (own !== undefined) {
      settings.set(own, quoteLiteral(checkClusterSetting(own, value, name)))
      continue
    }
    settings.set(key, key === 'search_path' ? searchPathSql(value) : quoteLiteral(value))
  }
  checkEncoding(login.settings.get('client_encoding'))
  if (addsHostToApplicationName) {
    const name = login.settings.get('application_name') ?? ''
    settings.set('application_name', quoteLiteral(applicationNameAt(name, socket)))
  }
  return settings
}

/** SQL_ASCII means "bytes as they are", which is what UTF8 on both sides comes to. */
function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined || /^'?(utf-?8|unicode|sql_ascii)'?$/i.test(encoding)) return
  throw new RouterError(
    SqlState.featureNotSupported,
    `client_encoding "${encoding}" is not supported through the proxy`,
    { severity: 'FATAL', hint: 'Use UTF8.' },
  )
}
