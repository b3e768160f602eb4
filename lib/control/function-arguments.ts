import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { type ParameterValue, query } from '../executor/node-client.ts'
import { withInferredTypes } from '../executor/parameter-types.ts'
import type { Execution, StatementContext } from '../executor/ports.ts'
import type { FunctionPlan } from '../planner/plan.ts'
import type { CommandRun } from './command-run.ts'

/** Declared as in Citus. `type`: what the coordinator casts the argument to; regclass arrives as an OID. */
export type ArgumentDeclaration = {
  readonly name: string
  readonly type: 'regclass' | 'text' | 'int' | 'bigint' | 'bool'
  /** Text form; null is NULL, undefined: must be given. */
  readonly default?: string | null
}

/** Text forms by name; undefined is NULL. */
export type ArgumentValues = ReadonlyMap<string, string | undefined>

export async function evaluateArguments(
  run: CommandRun,
  plan: FunctionPlan,
  declared: readonly ArgumentDeclaration[],
  execution: Execution,
): Promise<ArgumentValues> {
  const given = matchArguments(plan, declared)
  const values = new Map<string, string | undefined>()
  const asked = declared.filter(({ name }) => given.has(name))
  if (asked.length > 0) {
    const items = asked.map(({ name, type }) => castSql(given.get(name) ?? '', type))
    const { text, params } = withParameters(items, plan, execution)
    const { rows } = await query(run.coordinator, `SELECT ${text}`, params)
    for (const [index, { name }] of asked.entries()) values.set(name, rows[0]?.[index])
  }
  for (const { name, default: value } of declared) {
    if (!given.has(name)) values.set(name, value ?? undefined)
  }
  return values
}

/** As the coordinator infers them from the casts to the arguments' types. */
export async function inferParameterTypes(
  plan: FunctionPlan,
  declared: readonly ArgumentDeclaration[],
  parameterTypes: readonly number[],
  context: StatementContext,
): Promise<readonly number[]> {
  const given = matchArguments(plan, declared)
  const count = Math.max(parameterTypes.length, ...plan.parameters)
  if (count === 0) return []
  const items = declared.flatMap(({ name, type }) => {
    const text = given.get(name)
    return text === undefined ? [] : [castSql(text, type)]
  })
  const text = [...items, ...unusedParameters(plan, count)].join(', ')
  const coordinator = await context.connection(context.catalog.nodes[0]?.nodeId ?? 0, 'read')
  const values = Array.from({ length: count }, () => undefined)
  const parameters = { types: parameterTypes, formats: [], values }
  return (await withInferredTypes(coordinator, Buffer.from(`SELECT ${text}`), parameters)).types
}

/** Every number up to the highest must be mentioned, or Postgres can't tell its type. */
function unusedParameters({ parameters }: FunctionPlan, count: number): string[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  return numbers
    .filter((number) => !parameters.includes(number))
    .map((number) => `$${number}::text`)
}

function castSql(text: string, type: ArgumentDeclaration['type']): string {
  return type === 'regclass' ? `(${text})::regclass::oid::text` : `(${text})::${type}::text`
}

function matchArguments(
  plan: FunctionPlan,
  declared: readonly ArgumentDeclaration[],
): ReadonlyMap<string, string> {
  const given = new Map<string, string>()
  for (const [index, { name, text }] of plan.arguments.entries()) {
    const declaration =
      name === undefined ? declared[index] : declared.find((each) => each.name === name)
    if (declaration === undefined || given.has(declaration.name))
      throw noSuchFunction(plan, declared)
    given.set(declaration.name, text)
  }
  const isMissing = declared.some((each) => each.default === undefined && !given.has(each.name))
  if (isMissing) throw noSuchFunction(plan, declared)
  return given
}

function noSuchFunction(plan: FunctionPlan, declared: readonly ArgumentDeclaration[]): RouterError {
  const signature = declared.map(({ name, type }) => `${name} ${type}`).join(', ')
  const message = `function ${plan.name} with the given arguments does not exist`
  const hint = `Its arguments are: ${plan.name}(${signature}).`
  return new RouterError(SqlState.undefinedFunction, message, { hint })
}

function withParameters(
  items: readonly string[],
  plan: FunctionPlan,
  { parameters }: Execution,
): { text: string; params: ParameterValue[] | undefined } {
  if (plan.parameters.length === 0) return { text: items.join(', '), params: undefined }
  const count = Math.max(...plan.parameters)
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const params = numbers.map((number): ParameterValue => {
    if (!plan.parameters.includes(number)) return null
    const value = parameters.values[number - 1]
    if (value === undefined) return null
    const formats = parameters.formats
    const format = formats.length === 1 ? formats[0] : (formats[number - 1] ?? 0)
    const typeOid = parameters.types[number - 1] ?? 0
    return format === 1 ? textOfBinary(value, typeOid) : value.toString('utf8')
  })
  return { text: [...items, ...unusedParameters(plan, count)].join(', '), params }
}

/** The few binary formats that drivers send for such arguments. */
function textOfBinary(value: Buffer, typeOid: number): string {
  switch (typeOid) {
    case 16:
      return value[0] === 0 ? 'false' : 'true'
    case 20:
      return value.readBigInt64BE(0).toString()
    case 21:
      return String(value.readInt16BE(0))
    case 26:
    case 2205:
      return String(value.readUInt32BE(0))
    case 23:
      return String(value.readInt32BE(0))
    case 0:
    case 19:
    case 25:
    case 1043:
      return value.toString('utf8')
    default:
      throw new RouterError(
        SqlState.featureNotSupported,
        `binary parameters of type ${typeOid} are not supported in calls of cluster functions`,
        { hint: 'Send the parameter in text format.' },
      )
  }
}

export function oidArgument(values: ArgumentValues, name: string): number {
  const value = values.get(name)
  if (value === undefined) throw nullArgument(name)
  return Number(value)
}

export function textArgument(values: ArgumentValues, name: string): string {
  const value = values.get(name)
  if (value === undefined) throw nullArgument(name)
  return value
}

function nullArgument(name: string): RouterError {
  return new RouterError(SqlState.nullValueNotAllowed, `${name} cannot be NULL`)
}
