import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError, ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { clusterSettingName } from '../../catalog/cluster-settings.ts'
import { explainField } from '../../executor/explain/explain-output.ts'
import { describedText } from '../../executor/function-query.ts'
import { query } from '../../executor/node-client.ts'
import type { Parameters } from '../../executor/ports.ts'
import { mendError } from '../../executor/relay/error-rewriting.ts'
import { characterCount, PositionMap } from '../../executor/relay/position-map.ts'
import {
  describeStatement,
  type StatementDescription,
} from '../../executor/statement-description.ts'
import type { FunctionPlan, Plan, SessionCommand } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import { mayNameMoment } from '../../sql/moment-literal.ts'
import { writeCommandComplete } from '../../wire/backend-messages.ts'
import { writeQuery } from '../../wire/frontend-messages.ts'
import { functionFields } from '../function-description.ts'
import type { SessionCommands } from '../session-commands.ts'
import type { SessionParts } from '../session-parts.ts'
import { settingFields } from '../setting-commands.ts'
import type { PlannedStatement } from '../statement-planner.ts'
import { type StatementRunner, tierOf } from '../statement-runner.ts'
import type { BoundValues, PortalForwarding } from './portal-forwarding.ts'
import { PreparedStatement } from './prepared-statements.ts'

const NO_VALUES: BoundValues = { formats: [], values: [], resultFormats: [] }
/** What a type's input function reads as Postgres would convert it; other numbers are rounded, or printed anew. */
const LITERAL = /^(?:'((?:[^']|'')*)'|(-?[1-9]\d*|0))$/

/** PREPARE and EXECUTE as SQL: the text is kept here, each EXECUTE goes the way of a Bind. */
export class PreparedCommands {
  readonly #parts: SessionParts
  readonly #runner: StatementRunner
  readonly #forwarding: PortalForwarding
  readonly #commands: SessionCommands

  constructor(
    parts: SessionParts,
    runner: StatementRunner,
    forwarding: PortalForwarding,
    commands: SessionCommands,
  ) {
    this.#parts = parts
    this.#runner = runner
    this.#forwarding = forwarding
    this.#commands = commands
  }

  async prepare(
    command: SessionCommand & { kind: 'prepare' },
    planned: PlannedStatement,
  ): Promise<void> {
    const { prepared, planner, user } = this.#parts
    prepared.checkFree(command.name)
    const text = planned.text.subarray(command.statement.start, command.statement.end)
    const parsed = planner.single(text, user)
    const connection = await this.#runner.coordinator()
    const types = await typeOids(connection, command.types)
    const inner = parsed === undefined ? undefined : this.#runner.plan(parsed)
    const statement = new PreparedStatement(command.name, text, types, inner)
    statement.description = await this.#describeInside(statement, connection, planned, command)
    prepared.set(statement)
  }

  /** Places in errors count from the start of PREPARE. */
  async #describeInside(
    statement: PreparedStatement,
    connection: BackendConnection,
    { text, base }: PlannedStatement,
    command: SessionCommand & { kind: 'prepare' },
  ): Promise<StatementDescription> {
    try {
      return await this.describe(statement, connection)
    } catch (error) {
      if (!(error instanceof ServerError)) throw error
      const { start, end } = command.statement
      const positions = new PositionMap()
      positions.reset(text, start, end, base + characterCount(text, 0, start))
      throw mendError(error.frame, 0, error.frame.length, { positions })
    }
  }

  async #describeCall(plan: FunctionPlan, types: readonly number[]): Promise<StatementDescription> {
    const { commands, context } = this.#parts
    const parameterTypes = await commands.parameterTypes(plan, types, context())
    return { parameterTypes, fields: functionFields(plan) }
  }

  /** What the coordinator says of the statement; asked once. */
  async describe(
    statement: PreparedStatement,
    borrowed?: BackendConnection,
  ): Promise<StatementDescription> {
    if (statement.description !== undefined) return statement.description
    const plan = statement.planned?.plan
    statement.description =
      plan?.kind === 'function'
        ? await this.#describeCall(plan, statement.types)
        : describedHere(plan)
    if (statement.description !== undefined) return statement.description
    const connection = borrowed ?? (await this.#runner.describer(statement.planned))
    const text = this.#describedText(statement)
    statement.description = await describeStatement(connection, text, statement.types)
    return statement.description
  }

  /** Names of metadata views are ours: the coordinator must be asked about those. */
  #describedText(statement: PreparedStatement): Buffer {
    const plan = statement.planned?.plan
    if (plan?.kind === 'function-query') return describedText(plan)
    if (plan?.kind !== 'local' || plan.replacements.length === 0) return statement.text
    const parts: Buffer[] = []
    let from = 0
    for (const { start, end, text } of plan.replacements) {
      parts.push(statement.text.subarray(from, start), Buffer.from(text))
      from = end
    }
    parts.push(statement.text.subarray(from))
    return Buffer.concat(parts)
  }

  async execute(name: string, args: readonly string[], describes: boolean): Promise<void> {
    const statement = this.#parts.prepared.get(name)
    const description = await this.describe(statement)
    checkCount(name, args.length, description.parameterTypes.length)
    const values = await this.#evaluate(args, description.parameterTypes)
    const { planned } = statement
    if (planned === undefined) return
    if (!this.#runner.isCurrent(planned)) {
      statement.planned = this.#runner.plan({ text: statement.text, base: 0, statement: undefined })
    }
    const current = statement.planned ?? planned
    if (current.plan.kind === 'session') {
      await this.#commands.run(current, current.plan.command, describes)
      return
    }
    if (current.plan.kind === 'refusal') throw refusalError(current.plan)
    const parameters = { types: description.parameterTypes, formats: [], values }
    const returnsRows = describes && description.fields !== undefined
    await this.runBound(current, parameters, returnsRows)
  }

  /** EXPLAIN EXECUTE: EXPLAIN of what was prepared, with the values. */
  async explain(
    { head, name, arguments: args }: SessionCommand & { kind: 'explain-execute' },
    describes: boolean,
  ): Promise<void> {
    const statement = this.#parts.prepared.get(name)
    const { parameterTypes } = await this.describe(statement)
    checkCount(name, args.length, parameterTypes.length)
    const values = await this.#evaluate(args, parameterTypes)
    const text = Buffer.concat([Buffer.from(head), statement.text])
    const planned = this.#runner.plan({ text, base: 0, statement: undefined })
    if (planned.plan.kind === 'refusal') throw refusalError(planned.plan)
    await this.runBound(planned, { types: parameterTypes, formats: [], values }, describes)
  }

  /** A statement with values whose answer is like the simple protocol's. */
  async runBound(
    planned: PlannedStatement,
    parameters: Parameters,
    describes: boolean,
  ): Promise<void> {
    const target = this.#runner.target(planned, parameters)
    if (target === undefined && !planned.isOwn) {
      await this.runBound(this.#runner.ownPlan(planned), parameters, describes)
      return
    }
    if (target === undefined) {
      const isKept = planned.plan.kind !== 'explain' && !mayNameMoment(planned.text)
      const { execute, context, output } = this.#parts
      const execution = {
        text: planned.text,
        parameters,
        resultFormats: [],
        sendsRowDescription: describes,
        maxRows: 0,
        keepsStatement: isKept ? ('named' as const) : undefined,
      }
      await this.#runner.prepareLocal(planned)
      const tag = await execute(planned.plan, execution, context())
      writeCommandComplete(output.frames, tag)
      this.#runner.noteExecuted(planned)
      return
    }
    await this.#runner.prepareLocal(planned)
    const connection = await this.#runner.connectionTo(target)
    this.#runner.pinLocal(planned, connection)
    await this.#forwarding.forward(connection, {
      planned,
      target,
      parameterTypes: parameters.types,
      bound: { ...NO_VALUES, values: parameters.values },
      portalName: '',
      keepsStatement: !mayNameMoment(planned.text),
      answersParse: false,
      answersBind: false,
      describes,
      maxRows: 0,
      mayHeal: true,
    })
    this.#parts.clock.done(tierOf(target))
    this.#runner.noteLocal(planned)
  }

  /** SHOW and the like: as it is, on the coordinator. */
  async relayOnCoordinator(planned: PlannedStatement, isSimple: boolean): Promise<void> {
    const connection = await this.#runner.coordinator('setting')
    if (isSimple) {
      await this.#runner.relay(connection, planned, (out, positions) => {
        positions.reset(planned.text, 0, planned.text.length, planned.base)
        writeQuery(out, planned.text)
      })
      return
    }
    const target = {
      nodeId: connection.node.nodeId,
      access: 'read',
      shardIndex: undefined,
    } as const
    await this.#forwarding.forward(connection, {
      planned,
      target,
      parameterTypes: [],
      bound: NO_VALUES,
      portalName: '',
      keepsStatement: false,
      answersParse: false,
      answersBind: false,
      describes: false,
      maxRows: 0,
      mayHeal: false,
    })
  }

  async #evaluate(
    args: readonly string[],
    types: readonly number[],
  ): Promise<(Buffer | undefined)[]> {
    if (args.every((argument) => LITERAL.test(argument))) return args.map(literalBytes)
    const connection = await this.#runner.coordinator()
    const names = await typeNames(connection, types)
    const casts = args.map((argument, index) => `CAST((${argument}) AS ${names[index]})`)
    const { rows } = await query(connection, `SELECT ${casts.join(', ')}`)
    return (rows[0] ?? []).map((value) => (value === undefined ? undefined : Buffer.from(value)))
  }
}

function literalBytes(argument: string): Buffer {
  const match = LITERAL.exec(argument)
  return Buffer.from(match?.[2] ?? (match?.[1] ?? '').replaceAll("''", "'"))
}

function checkCount(name: string, given: number, wanted: number): void {
  if (given === wanted) return
  throw new RouterError(
    SqlState.syntaxError,
    `wrong number of parameters for prepared statement "${name}"`,
    { detail: `Expected ${wanted} parameters but got ${given}.` },
  )
}

async function typeOids(connection: BackendConnection, types: readonly string[]) {
  if (types.length === 0) return []
  const list = types.map((type) => `'${type.replaceAll("'", "''")}'::regtype::oid`)
  try {
    const { rows } = await query(connection, `SELECT ${list.join(', ')}`)
    return (rows[0] ?? []).map(Number)
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    throw mendError(error.frame, 0, error.frame.length, { positions: 'drop' })
  }
}

async function typeNames(connection: BackendConnection, oids: readonly number[]) {
  const list = oids.map((oid) => `format_type(${oid}, NULL)`)
  const { rows } = await query(connection, `SELECT ${list.join(', ')}`)
  return rows[0] ?? []
}

/** undefined: the coordinator must be asked, as for SHOW of a setting that isn't ours. */
function describedHere(plan: Plan | undefined): StatementDescription | undefined {
  if (plan === undefined) return { parameterTypes: [], fields: undefined }
  if (plan.kind !== 'session') return undefined
  const { command } = plan
  if (command.kind === 'explain-execute') {
    return { parameterTypes: [], fields: [explainField(command.format)] }
  }
  if (command.kind !== 'show') return { parameterTypes: [], fields: undefined }
  const isOwn = clusterSettingName(command.name) !== undefined
  return isOwn
    ? { parameterTypes: [], fields: settingFields(command.name.toLowerCase()) }
    : undefined
}
