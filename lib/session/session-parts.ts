import type { SessionSettings } from '../backend/session-state.ts'
import type { TrafficCounters } from '../backend/traffic-counters.ts'
import type { Log } from '../base/log.ts'
import type { ClusterCommands, Execution } from '../executor/ports.ts'
import type { SessionStatementContext } from '../executor/statement-context.ts'
import type { LaneLender } from '../executor/transaction/lane-lender.ts'
import type { SessionTransaction } from '../executor/transaction/transaction.ts'
import type { Plan } from '../planner/plan.ts'
import type { ClientOutput } from './client/client-output.ts'
import type { PreparedStatements } from './extended/prepared-statements.ts'
import type { PlacementRetry } from './placement-retry.ts'
import type { SessionCatalog } from './session-catalog.ts'
import type { SessionChannels } from './session-channels.ts'
import type { SessionServers } from './session-servers.ts'
import type { StatementClock } from './statement-clock.ts'
import type { StatementPlanner } from './statement-planner.ts'
import type { StatementRelay } from './statement-relay.ts'
import type { StatementStatistics } from './statement-statistics.ts'
import type { TemporaryViews } from './temporary-views.ts'

/** What the parts of one session share. Made once, when the client has logged in. */
export type SessionParts = {
  readonly log: Log
  readonly sessionId: number
  readonly user: string
  readonly output: ClientOutput
  readonly relay: StatementRelay
  readonly transaction: SessionTransaction
  readonly lanes: LaneLender
  readonly servers: SessionServers
  readonly settings: SessionSettings
  /** Settings of the startup packet: what RESET goes back to. */
  readonly initialSettings: Map<string, string>
  /** Of those, in lower case: no setting, no error. */
  readonly ignoredParameters: ReadonlySet<string>
  readonly catalogs: SessionCatalog
  readonly placements: PlacementRetry
  readonly channels: SessionChannels
  readonly planner: StatementPlanner
  readonly prepared: PreparedStatements
  readonly clock: StatementClock
  readonly statistics: StatementStatistics
  readonly counters: TrafficCounters
  /** Names of temporary relations that the session has created; on the coordinator. */
  readonly temporaryNames: Set<string>
  readonly temporaryViews: TemporaryViews
  /** Of the statement at hand; aborted by a CancelRequest and when the client is gone. */
  signal(): AbortSignal
  /** The executor's view of the statement at hand. */
  context(): SessionStatementContext
  /** Carried out and counted. */
  execute(plan: Plan, execution: Execution, context: SessionStatementContext): Promise<string>
  readonly commands: ClusterCommands
}
