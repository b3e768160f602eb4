import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { RouterError } from '../../base/errors.ts'
import { Answer } from '../../executor/relay/answer-script.ts'
import { parameterTypesOn } from '../../executor/relay/row-description-mapping.ts'
import { isResultTypeChange } from '../../executor/stale-statement.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import {
  writeBind,
  writeDescribe,
  writeExecute,
  writeParse,
  writeSync,
} from '../../wire/frontend-messages.ts'
import type { SessionParts } from '../session-parts.ts'
import type { PlannedStatement } from '../statement-planner.ts'
import type { StatementRunner, Target } from '../statement-runner.ts'

/** The values of a Bind message. */
export type BoundValues = {
  readonly formats: readonly number[]
  readonly values: readonly (Buffer | undefined)[]
  readonly resultFormats: readonly number[]
}

/** One Bind with what goes along with it, sent to one connection with a Sync of its own. */
export type ForwardedGroup = {
  readonly planned: PlannedStatement
  readonly target: Target
  readonly parameterTypes: readonly number[]
  readonly bound: BoundValues
  /** On the server. */
  readonly portalName: string
  /** The statement is worth keeping on the server connection. */
  readonly keepsStatement: boolean
  /** The client waits for ParseComplete, for BindComplete. */
  readonly answersParse: boolean
  readonly answersBind: boolean
  readonly describes: boolean
  /** undefined: no Execute in this group. */
  readonly maxRows: number | undefined
  /** The client doesn't rely on a description it got earlier: a changed result type may be healed. */
  readonly mayHeal: boolean
}

/** Sends groups of extended-protocol messages to one server connection and relays the answer. */
export class PortalForwarding {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner

  constructor(parts: SessionParts, runner: StatementRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  /** Throws the server's error. */
  async forward(connection: BackendConnection, group: ForwardedGroup): Promise<void> {
    const error = await this.#send(connection, group)
    if (error === undefined) return
    const { sink } = this.#parts.relay
    const heals = group.mayHeal && connection.transactionStatus === 0x49 && !sink.hasAnswered
    if (!heals || !isResultTypeChange(error)) throw error
    const again = await this.#send(connection, group)
    if (again !== undefined) throw again
  }

  async #send(
    connection: BackendConnection,
    group: ForwardedGroup,
  ): Promise<RouterError | undefined> {
    const { relay } = this.#parts
    const { planned, target, parameterTypes: types, bound, maxRows } = group
    if (maxRows !== undefined) this.#runner.noteBegin(planned, target, { types, ...bound })
    relay.begin(connection, planned.catalog)
    relay.sink.isExtended = true
    const statement = this.#writeStatement(connection, group)
    this.#writePortal(connection, group, statement.name)
    writeSync(connection.out)
    const error = await relay.finished()
    if (error !== undefined && group.keepsStatement) {
      connection.prepared.forget(statement.key)
    }
    return error
  }

  #writeStatement(connection: BackendConnection, group: ForwardedGroup) {
    const { script, positions } = this.#parts.relay.sink
    const { planned, target } = group
    const parameterTypes = parameterTypesOn(target.nodeId, group.parameterTypes, planned.catalog)
    const writer = new FrameWriter()
    this.#runner.writeText(writer, planned, target, positions)
    const text = writer.take()
    const parseAnswer = group.answersParse ? Answer.pass : Answer.swallow
    if (!group.keepsStatement) {
      writeParse(connection.out, { name: '', text, parameterTypes })
      script.add(parseAnswer)
      return { key: '', name: '' }
    }
    const { key, name, isNew, closes } = connection.prepared.prepare(
      connection.out,
      text,
      parameterTypes,
      connection.settings.inForce,
    )
    for (let index = 0; index < closes; index++) script.add(Answer.swallow)
    if (isNew) {
      this.#parts.counters.serverParses++
      script.add(parseAnswer)
    } else if (group.answersParse) script.add(Answer.parseComplete)
    return { key, name }
  }

  #writePortal(connection: BackendConnection, group: ForwardedGroup, statement: string): void {
    const { script } = this.#parts.relay.sink
    const { out } = connection
    const { portalName: portal, bound, maxRows } = group
    writeBind(out, { ...bound, portal, statement })
    script.add(group.answersBind ? Answer.pass : Answer.swallow)
    if (group.describes) {
      writeDescribe(out, { kind: 'portal', name: portal })
      script.add(Answer.pass)
    }
    if (maxRows === undefined) return
    writeExecute(out, { portal, maxRows })
    script.add(Answer.pass)
  }
}
