import { nowMs } from '../base/clock.ts'
import { asRouterError } from '../base/errors.ts'
import { multiPlan } from '../executor/scatter/multi-plan.ts'
import { describeStatement } from '../executor/statement-description.ts'
import { withClient } from '../executor/with-client.ts'
import type { Plan } from '../planner/plan.ts'
import { writeCommandComplete } from '../wire/backend-messages.ts'
import { PreparedStatement } from './extended/prepared-statements.ts'
import { areSimple, literalValues, tellsLess } from './fast/literal-parameters.ts'
import type { ScatterRead } from './fast/scatter-read.ts'
import { HeadedRows } from './headed-rows.ts'
import type { SessionParts } from './session-parts.ts'
import type { PlannedStatement } from './statement-planner.ts'
import type { StatementRunner } from './statement-runner.ts'

/** Runs simple clients' SELECTs over several shards as what their shapes are prepared as. See fast/scatter-read.ts. */
export class ScatterReads {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner

  constructor(parts: SessionParts, runner: StatementRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  /** false: nothing was answered; the text is to run as it is. */
  async run({ conduct, text, literals }: PlannedStatement): Promise<boolean> {
    const read = conduct.scatterRead
    const { transaction, output } = this.#parts
    if (read === undefined || transaction.isInBlock || !read.isDue()) return false
    if (!areSimple(text, literals)) return false
    const values = literalValues(text, literals)
    const writtenBefore = output.bytesWritten
    try {
      const statement = this.#known(read) ?? (await this.#prepare(read))
      return statement !== undefined && (await this.#execute(read, statement, values))
    } catch (error) {
      const hasAnswered = output.bytesWritten > writtenBefore
      if (!tellsLess(asRouterError(error), hasAnswered)) throw error
      if (this.#known(read) === undefined) read.giveUp()
      transaction.endStatement(false)
      return false
    }
  }

  #known({ statement }: ScatterRead): PreparedStatement | undefined {
    const { planned } = statement ?? {}
    return planned !== undefined && this.#runner.isCurrent(planned) ? statement : undefined
  }

  /** undefined: it can't be had in this form. */
  async #prepare(read: ScatterRead): Promise<PreparedStatement | undefined> {
    const { text, types } = read
    const planned = this.#runner.plan({ text, base: 0, statement: undefined })
    const coordinator = await this.#runner.coordinator()
    const isWanted = coordinator.prepared.takesPointReads
    if (isWanted && planned.plan.kind === 'select' && multiPlan(planned.plan).kind === 'scatter') {
      const statement = new PreparedStatement('', text, types, planned)
      statement.description = await describeStatement(coordinator, text, types)
      const { fields, parameterTypes } = statement.description
      if (fields !== undefined && parameterTypes.length === types.length) read.statement = statement
    }
    if (read.statement?.planned !== planned) read.giveUp()
    return read.statement
  }

  async #execute(
    read: ScatterRead,
    { planned, description, text }: PreparedStatement,
    values: readonly Buffer[],
  ): Promise<boolean> {
    if (planned === undefined || description?.fields === undefined) return false
    const parameters = { types: description.parameterTypes, formats: [], values }
    // one shard alone gets the text itself
    if (this.#runner.target(planned, parameters) !== undefined) return false
    const { execute, context, output } = this.#parts
    const { fields } = description
    const isCombined = isCombinedPlan(planned.plan)
    const execution = {
      text,
      parameters,
      resultFormats: [],
      // who combines rows is asked anyway
      sendsRowDescription: isCombined,
      expectedFields: isCombined ? undefined : fields,
      maxRows: 0,
      keepsStatement: 'repeated' as const,
    }
    const beganAtMs = nowMs()
    const rows = new HeadedRows(output, fields)
    const own = context()
    const tag = await execute(planned.plan, execution, isCombined ? own : withClient(own, rows))
    if (!isCombined) rows.writeHead()
    writeCommandComplete(output.frames, tag)
    read.took(nowMs() - beganAtMs)
    return true
  }
}

function isCombinedPlan(plan: Plan): boolean {
  if (plan.kind !== 'select') return false
  const multi = multiPlan(plan)
  return multi.kind === 'scatter' && multi.combine !== undefined
}
