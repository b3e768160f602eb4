import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { CombineQuery, DeclareCursorPlan, ScatterSelect } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import { type ColumnType, columnTypes } from '../column-types.ts'
import { moveToCursorTable } from '../cursor-table.ts'
import type { CommandTag, Execution, Parameters, StatementContext } from '../ports.ts'
import { runPulled } from '../pull/pulled.ts'
import { isUserType } from '../relay/row-description-mapping.ts'
import type { KeyReader } from '../route.ts'
import type { AnswerReader } from '../server-answer.ts'
import { mayHeal } from '../stale-statement.ts'
import { sendPrepared, sendStatements } from '../statement-request.ts'
import { binaryArrays } from './binary-arrays.ts'
import { isInexact, ownParameters } from './combined-query.ts'
import { chooseExchange, exchangeValues } from './exchanged-values.ts'
import { GatheredRows, TEMPORARY_TABLE } from './gathered-rows.ts'
import { relayedRows, waitFor } from './relayed-rows.ts'
import { scatter } from './scatter.ts'
import { ScatterFlow } from './scatter-flow.ts'
import { scatterRequest } from './scatter-request.ts'

const BINARY = [1]
const NO_PARAMETERS: Parameters = { types: [], formats: [], values: [] }

type CursorHead = Pick<DeclareCursorPlan, 'head' | 'isHeld'>

/** What one run of a combined SELECT needs, whichever of its plans is taken. */
export type CombineRun = {
  readonly execution: Execution
  readonly context: StatementContext
  readonly keys: KeyReader
  /**
   * For COPY (query): the COPY of a query, whose parameters but for the time are `ownParameters`. It takes no values, so
   * the rows are gathered in a temporary table even if they are few.
   */
  readonly copying?: (query: string, ownParameters: number, usesTime: boolean) => Promise<Buffer>
  /** The answer isn't for the client: this cursor of the client's transaction reads it. */
  readonly cursor?: CursorHead
  /** The answer isn't for the client: the combine query with `head` in front is asked, and `reader` gets its rows. */
  readonly explaining?: ExplainedCombine
}

export type ExplainedCombine = {
  readonly head: string
  readonly reader: AnswerReader
  /** Of all shards' rows, in the wire's form. */
  receivedBytes: number
}

/** Gathers the shards' rows and lets the coordinator make the answer of them. */
export async function combine(
  plan: ScatterSelect,
  query: CombineQuery,
  combining: CombineRun,
): Promise<CommandTag> {
  const { execution, context, keys } = combining
  const exchanged = await combineExchanged(plan, combining)
  if (exchanged !== undefined) return exchanged
  const failure = new AbortController()
  const signal = AbortSignal.any([context.signal, failure.signal])
  const flow = new ScatterFlow()
  const gathered = new GatheredRows(context, flow, failure)
  let isGathered = false
  try {
    const request = await scatterRequest(plan, execution, context, keys, {
      resultFormats: BINARY,
      maxRows: plan.combine === undefined ? (plan.rowLimit ?? 0) : 0,
      access: plan.locksRows ? 'write' : 'read',
      unites: true,
    })
    await scatter(request, context, flow, gathered.readerFor, signal)
    isGathered = true
    if (combining.explaining !== undefined) {
      combining.explaining.receivedBytes = gathered.receivedBytes
    }
    if (isInexact(query, gathered.fields)) {
      await gathered.abandon()
      return await combineExactly(query, combining)
    }
    return await combineGathered(query, gathered, combining)
  } catch (error) {
    await gathered.abandon()
    if (isGathered || !mayHeal(error, execution, context)) throw error
    const again = { ...execution, keepsStatement: undefined }
    return combine(plan, query, { ...combining, execution: again })
  }
}

/** undefined: not this way. */
async function combineExchanged(
  plan: ScatterSelect,
  combining: CombineRun,
): Promise<CommandTag | undefined> {
  const { context, explaining } = combining
  if (plan.distinctExchange === undefined || explaining !== undefined) return undefined
  const exchange = await chooseExchange(plan, combining)
  if (exchange === undefined) return undefined
  const failure = new AbortController()
  const flow = new ScatterFlow()
  const gathered = new GatheredRows(context, flow, failure)
  try {
    const query = await exchangeValues(plan, exchange, { ...combining, gathered, flow, failure })
    if (query !== undefined && !isInexact(query, gathered.fields)) {
      return await combineGathered(query, gathered, combining)
    }
    await gathered.abandon()
    return undefined
  } catch (error) {
    await gathered.abandon()
    throw error
  }
}

async function combineExactly(query: CombineQuery, combining: CombineRun): Promise<CommandTag> {
  const alternative = query.gathered?.()
  if (alternative?.kind === 'refusal') throw refusalError(alternative)
  if (alternative?.kind === 'pulled') {
    const { execution, context, cursor } = combining
    return runPulled(alternative, { execution, context, declaresCursor: cursor !== undefined })
  }
  if (alternative?.combine === undefined) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'the aggregates of this type cannot be combined exactly',
    )
  }
  return combine(alternative, alternative.combine, combining)
}

async function combineGathered(
  query: CombineQuery,
  gathered: GatheredRows,
  combining: CombineRun,
): Promise<CommandTag> {
  const { execution, context, copying, cursor } = combining
  if (copying !== undefined) await gathered.spill()
  const coordinatorId = coordinatorOf(context.catalog).nodeId
  let side = await gathered.finish()
  if (side !== undefined) return runFromTable(query, gathered, side, combining)
  const connection = await context.connection(coordinatorId, cursorAccess(cursor))
  const types = await columnTypes(connection, gathered.fields)
  if (types.length === 0 || !types.every(({ fitsArray }) => fitsArray)) {
    await gathered.spill()
    side = await gathered.finish()
    if (side !== undefined) return runFromTable(query, gathered, side, combining)
  }
  const own = await ownParameters(query, execution, context)
  const source = arraySource(types, gathered, own.values.length)
  const arrays = binaryArrays(
    gathered.rows,
    gathered.rowCount,
    gathered.fields.map(({ typeOid }) => typeOid),
  )
  const head = cursor?.head ?? combining.explaining?.head ?? ''
  const oids = typeOids(gathered)
  const keeps = execution.keepsStatement !== undefined && head === '' && !oids.some(isUserType)
  const text = keeps
    ? keptText(query, source, gathered)
    : Buffer.from(`${head}${query.text(source, oids, names(gathered))}`)
  return run(connection, text, withArrays(own, arrays), combining, keeps)
}

type KeptText = { readonly source: string; readonly typeOids: string; readonly text: Buffer }

const keptTexts = new WeakMap<CombineQuery, KeptText>()

/** What is run again is printed once: source and columns are mostly the same as the last time. */
function keptText(query: CombineQuery, source: string, gathered: GatheredRows): Buffer {
  const oids = typeOids(gathered)
  const known = keptTexts.get(query)
  if (known?.source === source && known.typeOids === oids.join()) return known.text
  const text = Buffer.from(query.text(source, oids, names(gathered)))
  keptTexts.set(query, { source, typeOids: oids.join(), text })
  return text
}

async function runFromTable(
  query: CombineQuery,
  gathered: GatheredRows,
  side: BackendConnection,
  combining: CombineRun,
): Promise<CommandTag> {
  const { execution, context, copying, cursor } = combining
  if (cursor !== undefined) return declareOverTable(query, gathered, side, cursor, combining)
  const head = combining.explaining?.head ?? ''
  const source = `${TEMPORARY_TABLE} AS s`
  const text = `${head}${query.text(source, typeOids(gathered), names(gathered))}`
  const isCopied = copying !== undefined
  const own = isCopied ? NO_PARAMETERS : await ownParameters(query, execution, context)
  const sent = isCopied
    ? await copying(text, query.parameters.length, query.usesTransactionTime)
    : Buffer.from(text)
  const tag = await run(side, sent, own, combining)
  await gathered.leaveSide()
  return tag
}

/** The rows must live as long as the cursor, so they move into the client's transaction. */
async function declareOverTable(
  query: CombineQuery,
  gathered: GatheredRows,
  side: BackendConnection,
  cursor: CursorHead,
  combining: CombineRun,
): Promise<CommandTag> {
  const { execution, context } = combining
  const own = await ownParameters(query, execution, context)
  const coordinatorId = coordinatorOf(context.catalog).nodeId
  const connection = await context.connection(coordinatorId, cursorAccess(cursor))
  const table = await moveToCursorTable(gathered, side, connection, context)
  await gathered.leaveSide()
  const text = query.text(`${table} AS s`, typeOids(gathered), names(gathered))
  return run(connection, Buffer.from(`${cursor.head}${text}`), own, combining)
}

/** A cursor WITH HOLD is what a commit leaves behind: it must not commit before the others can. */
function cursorAccess(cursor: CursorHead | undefined): 'read' | 'write' {
  return cursor?.isHeld === true ? 'write' : 'read'
}

function names({ fields }: GatheredRows): string[] {
  return fields.map(({ name }) => name)
}

function typeOids({ fields }: GatheredRows): number[] {
  return fields.map(({ typeOid }) => typeOid)
}

/** `ROWS FROM (unnest($3::int8[]), unnest($4::bpchar[])) AS s(c1, c2)`, with casts around it where a type has a modifier. */
function arraySource(
  types: readonly ColumnType[],
  { fields }: GatheredRows,
  parameterCount: number,
): string {
  const arrays = types.map(
    ({ plainName }, index) => `pg_catalog.unnest($${parameterCount + index + 1}::${plainName}[])`,
  )
  const names = types.map((_, index) => `c${index + 1}`)
  const unnest = `ROWS FROM (${arrays.join(', ')}) AS s(${names.join(', ')})`
  if (fields.every(({ typeModifier }) => typeModifier === -1)) return unnest
  const columns = types.map(({ name }, index) => {
    const hasModifier = fields[index]?.typeModifier !== -1
    return hasModifier ? `c${index + 1}::${name} AS c${index + 1}` : `c${index + 1}`
  })
  return `(SELECT ${columns.join(', ')} FROM ${unnest}) AS s`
}

function withArrays(own: Parameters, arrays: readonly Buffer[]): Parameters {
  const count = own.values.length
  return {
    types: own.types,
    formats: [
      ...own.values.map(
        (_, index) => (own.formats.length === 1 ? own.formats[0] : own.formats[index]) ?? 0,
      ),
      ...arrays.map(() => 1),
    ],
    values: [...own.values.slice(0, count), ...arrays],
  }
}

async function run(
  connection: BackendConnection,
  text: Buffer,
  parameters: Parameters,
  { execution, context, explaining }: CombineRun,
  keeps = false,
): Promise<CommandTag> {
  const { resultFormats, sendsRowDescription, expectedFields } = execution
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const mending = { positions: 'drop' } as const
  const reader =
    explaining?.reader ??
    relayedRows(connection, context, sendsRowDescription, mending, expectedFields)
  const answer = keeps
    ? sendPrepared(connection, statement, reader, mending)
    : sendStatements(connection, [statement], reader, mending)
  await waitFor(answer, connection, context.signal)
  return answer.tag
}
