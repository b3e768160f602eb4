import { setTimeout as after } from 'node:timers/promises'
import type { Pools } from '../backend/pools.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClientSession } from '../session/client-session.ts'
import type { Listener } from '../session/listener.ts'
import { CONSOLE_DATABASES } from './console-actions.ts'
import type { DatabaseGates } from './database-gates.ts'

/** How often a command that waits looks whether it may end. */
const POLL_MS = 20

export type CommandTargets = {
  readonly gates: DatabaseGates
  readonly pools: Pick<Pools, 'list' | 'pause' | 'resume'>
  readonly listener: () => Pick<Listener, 'sessions' | 'suspend' | 'resume'> | undefined
  readonly suspendTimeoutMs: () => number
}

/** Carries out commands in one process. A database that isn't named means all of them, but never the console. */
export class ProcessCommands {
  readonly #targets: CommandTargets

  constructor(targets: CommandTargets) {
    this.#targets = targets
  }

  /** Resolves when no server connection is left, or when the pause has been ended. */
  async pause(database: string | undefined): Promise<void> {
    this.#close(database, 'paused')
    const { gates, pools } = this.#targets
    await until(() => {
      const isOver = database === undefined ? gates.mode === 'active' : !gates.isPaused(database)
      return isOver || poolsOf(pools, database).every(({ pool }) => pool.hasNoConnection)
    })
  }

  resume(database: string | undefined): void {
    const { gates, pools, listener } = this.#targets
    if (database === undefined) {
      gates.mode = 'active'
      listener()?.resume()
    } else gates.setPaused(database, false)
    pools.resume(database)
  }

  setDisabled(database: string, isDisabled: boolean): void {
    this.#targets.gates.setDisabled(database, isDisabled)
  }

  kill(database: string | undefined): void {
    this.#close(database, 'paused')
    for (const session of this.#sessions()) {
      const own = session.report().database
      if (!CONSOLE_DATABASES.has(own) && (database ?? own) === own) session.refuse(forced())
    }
    for (const { pool } of poolsOf(this.#targets.pools, database)) pool.kill(forced())
  }

  /** By its number in this process. */
  killClient(id: number): boolean {
    const session = this.#sessions().find((one) => one.id === id)
    session?.refuse(forced())
    return session !== undefined
  }

  reconnect(database: string | undefined): void {
    for (const { pool } of poolsOf(this.#targets.pools, database)) pool.reconnect()
  }

  async waitClose(database: string | undefined, isGivenUp: () => boolean): Promise<void> {
    await until(() => {
      const connections = poolsOf(this.#targets.pools, database).flatMap(({ pool }) => {
        return pool.connections()
      })
      return isGivenUp() || connections.every(({ isCloseNeeded }) => !isCloseNeeded)
    })
  }

  /** What is under way may end in time; whoever is still busy then is dropped. */
  async suspend(): Promise<void> {
    const { gates, listener, suspendTimeoutMs } = this.#targets
    this.#close(undefined, 'suspended')
    listener()?.suspend((session) => !CONSOLE_DATABASES.has(session.report().database))
    const busy = () =>
      this.#sessions().filter((session) => {
        const { isBusy, database } = session.report()
        return isBusy && !CONSOLE_DATABASES.has(database)
      })
    const deadlineMs = performance.now() + suspendTimeoutMs()
    await until(() => {
      const isLate = performance.now() >= deadlineMs
      return isLate || gates.mode !== 'suspended' || busy().length === 0
    })
    if (gates.mode === 'suspended') for (const session of busy()) session.refuse(forced())
  }

  #close(database: string | undefined, mode: 'paused' | 'suspended'): void {
    const { gates, pools } = this.#targets
    if (database === undefined) gates.mode = mode
    else gates.setPaused(database, true)
    pools.pause(database)
  }

  #sessions(): readonly ClientSession[] {
    return this.#targets.listener()?.sessions() ?? []
  }
}

function poolsOf(pools: Pick<Pools, 'list'>, database: string | undefined) {
  return pools.list().filter((one) => (database ?? one.database) === one.database)
}

/** PgBouncer's own words. */
function forced(): RouterError {
  return new RouterError(SqlState.adminShutdown, 'admin forced disconnect', { severity: 'FATAL' })
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await after(POLL_MS)
}
