import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { Keeping } from '../../executor/ports.ts'
import { Answer } from '../../executor/relay/answer-script.ts'
import { multiPlan } from '../../executor/scatter/multi-plan.ts'
import { isResultTypeChange } from '../../executor/stale-statement.ts'
import type { SessionStatementContext } from '../../executor/statement-context.ts'
import { withFormats } from '../../executor/statement-description.ts'
import { withClient } from '../../executor/with-client.ts'
import type { Plan } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import {
  writeCommandComplete,
  writeEmptyQueryResponse,
  writeNoData,
  writePortalSuspended,
} from '../../wire/backend-messages.ts'
import { writeClose, writeDescribe, writeExecute, writeSync } from '../../wire/frontend-messages.ts'
import { TransactionStatus } from '../../wire/message-codes.ts'
import { writeRowDescription } from '../../wire/row-description.ts'
import type { SessionCommands } from '../session-commands.ts'
import type { SessionParts } from '../session-parts.ts'
import type { StatementRunner } from '../statement-runner.ts'
import { HeldResult } from './held-result.ts'
import type { Portal } from './portals.ts'
import type { PreparedCommands } from './prepared-commands.ts'
import type { PreparedStatement } from './prepared-statements.ts'
import { renew } from './renewal.ts'

/** Describe, Execute and Close of a portal that exists. */
export class PortalRunner {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner
  readonly #commands: SessionCommands
  readonly #prepared: PreparedCommands

  constructor(
    parts: SessionParts,
    runner: StatementRunner,
    commands: SessionCommands,
    prepared: PreparedCommands,
  ) {
    this.#parts = parts
    this.#runner = runner
    this.#commands = commands
    this.#prepared = prepared
  }

  async describe(portal: Portal): Promise<void> {
    if (portal.server !== undefined) {
      await this.#onServer(portal, (out, name) => writeDescribe(out, { kind: 'portal', name }))
      return
    }
    const { frames } = this.#parts.output
    const { fields } = await this.#prepared.describe(portal.prepared)
    portal.prepared.told()
    if (fields === undefined) writeNoData(frames)
    else writeRowDescription(frames, withFormats(fields, portal.bound.resultFormats))
  }

  async execute(portal: Portal, maxRows: number): Promise<void> {
    const { output } = this.#parts
    const { planned } = portal.prepared
    if (portal.server !== undefined) {
      if (planned !== undefined) this.#parts.statistics.begins(planned.text)
      await this.#onServer(portal, (out, name) => writeExecute(out, { portal: name, maxRows }))
      if (planned !== undefined) this.#runner.noteLocal(planned)
      const { clock, relay } = this.#parts
      const tier = planned?.plan.kind === 'local' ? 'local' : 'router'
      if (relay.sink.tag !== '') clock.done(tier)
    } else if (planned === undefined) {
      writeEmptyQueryResponse(output.frames)
    } else if (planned.plan.kind === 'session') {
      refuseSecondRun(portal)
      portal.isDone = true
      await this.#commands.run(planned, planned.plan.command, false)
    } else {
      if (portal.held === undefined) refuseSecondRun(portal)
      this.#parts.catalogs.checkNotOvertaken()
      await this.#parts.placements.run(() => this.#runInExecutor(portal, maxRows))
    }
  }

  /** A portal on a connection that has been given back is gone already. */
  async close(portal: Portal): Promise<void> {
    const isGone = this.#parts.transaction.status !== TransactionStatus.inTransaction
    if (portal.server === undefined || isGone) return
    const { connection, name } = portal.server
    const { relay, catalogs } = this.#parts
    relay.begin(connection, catalogs.current())
    relay.sink.script.add(Answer.swallow)
    writeClose(connection.out, { kind: 'portal', name })
    writeSync(connection.out)
    const error = await relay.finished()
    if (error !== undefined) throw error
  }

  async #onServer(
    portal: Portal,
    write: (out: Parameters<typeof writeExecute>[0], name: string) => void,
  ): Promise<void> {
    const { relay, catalogs } = this.#parts
    if (portal.server === undefined) return
    const { connection, name } = portal.server
    relay.begin(connection, portal.prepared.planned?.catalog ?? catalogs.current())
    relay.sink.isExtended = true
    relay.sink.script.add(Answer.pass)
    write(connection.out, name)
    writeSync(connection.out)
    const error = await relay.finished()
    if (error !== undefined) throw error
  }

  async #runInExecutor(portal: Portal, maxRows: number): Promise<void> {
    const { output } = this.#parts
    const plan = await this.#currentPlan(portal)
    if (maxRows === 0 && portal.held === undefined) {
      portal.isDone = true
      const tag = await this.#execute(portal, plan, this.#parts.context())
      writeCommandComplete(output.frames, tag)
      return
    }
    if (portal.held === undefined) {
      const held = new HeldResult(output)
      portal.isDone = true
      held.complete(await this.#execute(portal, plan, withClient(this.#parts.context(), held)))
      portal.held = held
    }
    const tag = portal.held.fetch(maxRows)
    if (tag === undefined) writePortalSuspended(output.frames)
    else writeCommandComplete(output.frames, tag)
  }

  /** The metadata may have changed since Bind. */
  async #currentPlan({ prepared, held }: Portal): Promise<Plan> {
    if (held === undefined) await renew(prepared, this.#runner, this.#prepared, false)
    const plan = prepared.planned?.plan
    if (plan === undefined) throw new Error('an empty statement has no plan')
    if (plan.kind === 'refusal') throw refusalError(plan)
    return plan
  }

  async #execute(portal: Portal, plan: Plan, context: SessionStatementContext): Promise<string> {
    const { prepared, bound } = portal
    const types = prepared.description?.parameterTypes ?? prepared.types
    const execution = {
      text: prepared.planned?.text ?? prepared.text,
      parameters: { types, formats: bound.formats, values: bound.values },
      resultFormats: bound.resultFormats,
      sendsRowDescription: false,
      expectedFields:
        prepared.isDescribed && isPlainScatter(plan) ? prepared.description?.fields : undefined,
      maxRows: 0,
      keepsStatement: keeping(prepared, this.#parts.transaction.isInBlock),
    }
    if (prepared.planned !== undefined) await this.#runner.prepareLocal(prepared.planned)
    const tag = await this.#parts.execute(plan, execution, context).catch((error: unknown) => {
      if (isResultTypeChange(error)) prepared.isOutdated = prepared.isDescribed
      throw error
    })
    this.#runner.noteExecuted({ plan })
    return tag
  }
}

/** Its rows come from the shards or from those who combine them; what else there is runs other statements inside. */
function isPlainScatter(plan: Plan): boolean {
  return plan.kind === 'select' && multiPlan(plan).kind === 'scatter'
}

/** An unnamed one only if its parameters are known as well as those of a named one. */
function keeping(prepared: PreparedStatement, isInBlock: boolean): Keeping | undefined {
  const { planned, description } = prepared
  if (prepared.name !== '') return prepared.namesMoment ? undefined : 'named'
  const isRepeated = planned?.conduct.isRepeated === true && description !== undefined
  return isRepeated && !isInBlock ? 'repeated' : undefined
}

function refuseSecondRun(portal: Portal): void {
  if (!portal.isDone) return
  throw new RouterError(
    SqlState.objectNotInPrerequisiteState,
    `portal "${portal.name}" cannot be run`,
  )
}
