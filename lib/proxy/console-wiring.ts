import type { Pools } from '../backend/pools.ts'
import type { TrafficTable } from '../backend/traffic-counters.ts'
import type { AcrossProcesses } from '../base/across-processes.ts'
import { RouterError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Config } from '../config/config.ts'
import { ProxyCommander, type ProxyManager, ProxyOverview } from '../console/all-processes.ts'
import { Console } from '../console/console.ts'
import { ConsoleProcess } from '../console/console-process.ts'
import { ConsoleRunner } from '../console/console-runner.ts'
import { DatabaseGates } from '../console/database-gates.ts'
import type { Supervisor } from '../processes/supervisor.ts'
import type { Listener } from '../session/listener.ts'
import { ShownConfig } from './console-settings.ts'
import { packageVersion } from './package-version.ts'

export type ConsoleOptions = {
  /** As it is now. */
  readonly config: () => Config
  readonly log: Log
  readonly across: AcrossProcesses
  readonly isAlone: boolean
  readonly supervisor: Supervisor
  readonly pools: Pools
  readonly traffic: TrafficTable
  readonly listener: () => Listener | undefined
}

export type ConsoleParts = {
  readonly console: Console
  readonly process: ConsoleProcess
  readonly gates: DatabaseGates
}

/** Whose console ours is: tools look for its number to know which columns there are. */
const CONSOLE_VERSION = '1.25.2'

/** One process' share of the console, for router.ts. */
export function makeConsole(options: ConsoleOptions): ConsoleParts {
  const { config, log, across, isAlone, supervisor, pools, traffic, listener } = options
  const gates = new DatabaseGates()
  const process = new ConsoleProcess({
    across,
    isAlone,
    traffic,
    gates,
    pools,
    listener,
    suspendTimeoutMs: () => config().console.suspend_timeout_ms,
    windows: {
      periodMs: () => config().console.stats_period_ms,
      log: () => (config().log.stats ? log : undefined),
    },
  })
  const version = `PgBouncer ${CONSOLE_VERSION} compatible (pgloom ${packageVersion()})`
  const view = new ProxyOverview({ across, settings: new ShownConfig(config), version })
  const runner = new ConsoleRunner(view, new ProxyCommander(across, managerOf(supervisor)), log)
  const users = () => {
    const { admin_users: admins, stats_users: stats } = config().console
    return { admins, stats }
  }
  return { console: new Console(runner, users, `${CONSOLE_VERSION}/bouncer`), process, gates }
}

/** The proxy as a whole is its command's to reload and to stop. */
function managerOf(supervisor: Supervisor): ProxyManager {
  return {
    set: (name, value) => supervisor.set(name, value),
    reload: async () => {
      try {
        await supervisor.reload()
      } catch (error) {
        throw reloadFailed(error)
      }
    },
    stop: (mode) => supervisor.stop(mode === 'wait_for_clients' ? 'when clients left' : 'fast'),
  }
}

function reloadFailed(cause: unknown): RouterError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new RouterError(SqlState.configFileError, 'RELOAD failed', { detail, cause })
}
