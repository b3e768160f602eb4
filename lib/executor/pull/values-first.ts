import type { BackendConnection } from '../../backend/backend-connection.ts'
import { ServerError } from '../../base/errors.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { RestOfStatement, ValuePart, ValuesFirst } from '../../planner/pull/value-plans.ts'
import { readDataRow } from '../../wire/backend-messages.ts'
import { columnTypes } from '../column-types.ts'
import { keysOf } from '../execution-keys.ts'
import { withInferredTypes } from '../parameter-types.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { mendError } from '../relay/error-rewriting.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { allowedShards } from '../route.ts'
import { combine } from '../scatter/combine.ts'
import { plainRows } from '../scatter/plain-rows.ts'
import type { ScatterPlan } from '../scatter/scatter-request.ts'
import { describeStatement } from '../statement-description.ts'
import { literalFormat, literalText } from './value-literal.ts'

/** More values than these are not written into a statement. */
const MAX_SET_BYTES = 65_536

type Run = {
  readonly execution: Execution
  readonly context: StatementContext
  /** No row is asked for: NULL stands for each value. */
  readonly isEmpty?: boolean
}

/** What is left to be run, with the parameters as it needs them. */
export type Rest = {
  readonly plan: RestOfStatement['plan']
  readonly execution: Execution
  readonly parts: readonly ValuePart[]
}

type ValueType = { readonly typeOid: number; readonly name: string; readonly format: 0 | 1 }

/** Asks all shards for the subqueries' values. undefined: one of them is none that can stand in the statement. */
export async function answerValues(
  { parts, takesTexts, rest }: ValuesFirst,
  { execution, context, isEmpty = false }: Run,
): Promise<Rest | undefined> {
  const { nodeId } = coordinatorOf(context.catalog)
  const connection = await context.connection(nodeId, 'read')
  const { text, parameters: given } = execution
  const parameters = await withInferredTypes(connection, text, given)
  const own = { ...execution, parameters, keepsStatement: undefined }
  if (!parts.every(({ scatter }) => hasShards(scatter, own))) return undefined
  const types = await typesOf(connection, parts, own, takesTexts)
  if (types === undefined) return undefined
  const texts: string[] = []
  for (const [index, part] of parts.entries()) {
    const type = types[index] ?? EXISTENCE
    const values = isEmpty ? [] : await valuesOf(part, type, own, context)
    const sql = values === undefined ? undefined : valueText(part, type, values)
    if (sql === undefined) return undefined
    texts.push(sql)
  }
  const left = rest(texts)
  if (left === undefined) return undefined
  const last = { ...own, text: left.text }
  const isSomewhere = left.plan.kind === 'pulled' || hasShards(left.plan, last)
  return isSomewhere ? { plan: left.plan, execution: last, parts } : undefined
}

async function typesOf(
  connection: BackendConnection,
  parts: readonly ValuePart[],
  execution: Execution,
  takesTexts: boolean,
): Promise<readonly ValueType[] | undefined> {
  const types: ValueType[] = []
  for (const part of parts) {
    const type = await typeOf(connection, part, execution, takesTexts)
    if (type === undefined) return undefined
    types.push(type)
  }
  return types
}

/** Else no shard has rows of such keys, and there is nobody who would describe the columns. */
function hasShards({ table, pins }: ScatterPlan, { text, parameters }: Execution): boolean {
  return allowedShards(table, pins, keysOf(text, parameters)).length > 0
}

const EXISTENCE: ValueType = { typeOid: 0, name: 'boolean', format: 0 }

/** As the coordinator sees it on the shells. */
async function typeOf(
  connection: BackendConnection,
  { start, end, gives }: ValuePart,
  { text, parameters: { types } }: Execution,
  takesTexts: boolean,
): Promise<ValueType | undefined> {
  if (gives === 'exists') return EXISTENCE
  const [field] = (await describe(connection, text.subarray(start, end), types)) ?? []
  const format = field === undefined ? undefined : literalFormat(field, takesTexts)
  if (field === undefined || format === undefined) return undefined
  const [type] = await columnTypes(connection, [field])
  return type && { typeOid: field.typeOid, name: type.name, format }
}

async function describe(connection: BackendConnection, text: Buffer, types: readonly number[]) {
  try {
    return (await describeStatement(connection, text, types)).fields
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    // where in a part of the text it is means nothing to the client
    throw mendError(error.frame, 0, error.frame.length, { positions: 'drop' })
  }
}

/** undefined: too many. */
async function valuesOf(
  { scatter, gives }: ValuePart,
  { format }: ValueType,
  execution: Execution,
  context: StatementContext,
): Promise<readonly (Buffer | undefined)[] | undefined> {
  const values: (Buffer | undefined)[] = []
  let byteLength = 0
  const row = (chunk: Buffer, start: number, end: number) => {
    byteLength += end - start
    if (values.length > 0 && (gives !== 'set' || byteLength > MAX_SET_BYTES)) {
      byteLength = Number.POSITIVE_INFINITY
      return
    }
    const [value] = readDataRow(chunk.subarray(start, end))
    values.push(value && Buffer.from(value))
  }
  const explaining = { head: '', reader: { row }, receivedBytes: 0 }
  const asked = { ...execution, resultFormats: [format], sendsRowDescription: false, maxRows: 0 }
  const keys = keysOf(execution.text, execution.parameters)
  const query = scatter.combine ?? plainRows(scatter)
  await combine(scatter, query, { execution: asked, context, keys, explaining })
  return Number.isFinite(byteLength) ? values : undefined
}

/** The SELECT that stands in the subquery's place. */
function valueText(
  { gives, name }: ValuePart,
  type: ValueType,
  values: readonly (Buffer | undefined)[],
): string | undefined {
  if (gives === 'exists') return `SELECT 1 WHERE ${values.length > 0}`
  const literals = values.map((value) => literalText(type.typeOid, value))
  if (literals.includes(undefined)) return undefined
  if (gives === 'one') {
    return `SELECT CAST(${literals[0] ?? 'NULL'} AS ${type.name}) AS ${quoteIdentifier(name)}`
  }
  return `SELECT pg_catalog.unnest(CAST(ARRAY[${literals.join(', ')}] AS ${type.name}[])) AS ${quoteIdentifier(name)}`
}
