import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Shard } from '../catalog/catalog.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { LockedSelect, ReferenceLock } from '../planner/locked-plans.ts'
import { readDataRow } from '../wire/backend-messages.ts'
import { Backend, HEADER_BYTES } from '../wire/message-codes.ts'
import { pickParameters } from './bound-parameters.ts'
import type { ClientPort, CommandTag, Execution, Parameters, StatementContext } from './ports.ts'
import { allowedShards, type KeyReader } from './route.ts'
import { notInOneStep } from './scatter/one-moment.ts'
import { waitFor } from './scatter/relayed-rows.ts'
import { scatter } from './scatter/scatter.ts'
import { ScatterFlow } from './scatter/scatter-flow.ts'
import { runScatterSelect } from './select.ts'
import { textForShard } from './shard-text.ts'
import { sendStatements } from './statement-request.ts'
import { withClient } from './with-client.ts'

/** Keys of so many rows are held in memory. */
const MAX_ROWS = 100_000
/** Asked for beyond what is wanted, where others may hold some. */
const SPARE_ROWS = 16
/** So often others may have changed rows between the look at them and the lock. */
const MAX_ROUNDS = 100

/** What identifies a row, as texts. */
type Key = readonly (string | undefined)[]

export type LockRun = {
  readonly plan: LockedSelect
  readonly execution: Execution
  readonly context: StatementContext
  readonly keys: KeyReader
}

/** Locks the rows that come first, one batch after the other in their order, until there are enough; then reads them. */
export function runLockedSelect(
  plan: LockedSelect,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  if (context.moment !== undefined) throw notInOneStep()
  const run = { plan, execution: { ...execution, keepsStatement: undefined }, context, keys }
  return context.atomically(async () => {
    const parameters = await lockChosen(run)
    return runScatterSelect(plan.chosen, { ...run.execution, parameters }, context, keys)
  })
}

/** Parameters for the plan's `chosen` and `lock`: of the rows that are locked now. */
export async function lockChosen(run: LockRun): Promise<Parameters> {
  const { plan } = run
  const wanted = await wantedRows(run)
  const locked = wanted === undefined ? [] : await lockFirst(run, wanted)
  if (plan.limits[0] === undefined && locked.length >= MAX_ROWS) throw tooMany()
  return withKeys(run, locked)
}

/** LIMIT and OFFSET together; undefined: reading will tell what is wrong with them. */
export async function wantedRows({
  plan,
  execution,
  context,
}: LockRun): Promise<number | undefined> {
  const numbers = plan.limits.map((limit = String(MAX_ROWS)) =>
    /^\d+$/.test(limit) ? Number(limit) : undefined,
  )
  const [count, offset] = numbers.includes(undefined)
    ? await askLimits(plan, execution, context)
    : numbers
  if (plan.limits[0] === undefined) return (offset ?? 0) < 0 ? undefined : MAX_ROWS
  if (count === undefined || count + (offset ?? 0) > MAX_ROWS) throw tooMany()
  return count < 0 || (offset ?? 0) < 0 ? undefined : count + (offset ?? 0)
}

async function askLimits(
  { limits, parameterCount }: LockedSelect,
  { parameters }: Execution,
  context: StatementContext,
): Promise<readonly (number | undefined)[]> {
  const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'read')
  const rows = new RowCollector()
  const numbers = Array.from({ length: parameterCount }, (_, index) => index + 1)
  const statement = {
    text: Buffer.from(
      `SELECT ${limits.map((limit = 'NULL') => `(${limit})::pg_catalog.int8`).join(', ')}`,
    ),
    parameters: pickParameters(parameters, numbers),
    resultFormats: [],
    describes: false,
    maxRows: 0,
  }
  const answer = sendStatements(connection, [statement], rows, { positions: 'drop' })
  await waitFor(answer, connection, context.signal)
  return (rows.keys[0] ?? []).map((value) => (value === undefined ? undefined : Number(value)))
}

/** Rows by their identity. */
type LockedRows = { readonly locked: Map<string, Key>; readonly missed: Set<string> }

async function lockFirst(run: LockRun, wanted: number): Promise<readonly Key[]> {
  const rows: LockedRows = { locked: new Map(), missed: new Set() }
  let asked = wanted + (run.plan.waits ? 0 : SPARE_ROWS)
  for (let rounds = 0; rounds < MAX_ROUNDS; ) {
    if (asked > 2 * MAX_ROWS) throw tooMany()
    const candidates = await candidateKeys(run, asked)
    const count = await lockInOrder(run, candidates, wanted, rows)
    if (count === 'moved') rounds += 1
    else if (count >= wanted || candidates.length < asked) {
      // rights and the like are to be told even if there is nothing to be locked
      if (rows.locked.size + rows.missed.size === 0) await lockInShards(run, [])
      return [...rows.locked.values()]
    } else asked *= 2
  }
  throw moved()
}

/** As many of the candidates as are wanted, in their order. How many of them are locked then. */
async function lockInOrder(
  run: LockRun,
  candidates: readonly Key[],
  wanted: number,
  { locked, missed }: LockedRows,
): Promise<number | 'moved'> {
  for (;;) {
    const first = candidates.filter((key) => !missed.has(JSON.stringify(key))).slice(0, wanted)
    const entries = first.map((key): [string, Key] => [JSON.stringify(key), key])
    const batch = new Map(entries.filter(([id]) => !locked.has(id)))
    if (batch.size === 0) return first.length
    for (const key of await lockRows(run, [...batch.values()])) locked.set(JSON.stringify(key), key)
    const left = [...batch.keys()].filter((id) => !locked.has(id))
    if (left.length > 0 && run.plan.asksAgain) return 'moved'
    for (const id of left) missed.add(id)
  }
}

/** For the plan's `candidates`. */
export function withLimit({ plan, execution }: LockRun, limit: number): Parameters {
  const numbers = Array.from({ length: plan.parameterCount }, (_, index) => index + 1)
  const unused = Array.from({ length: plan.keyCount }, () => '{}')
  return pickParameters(execution.parameters, numbers, [...unused, String(limit)])
}

async function candidateKeys(run: LockRun, limit: number): Promise<readonly Key[]> {
  const { plan, execution, context, keys } = run
  const own = {
    ...execution,
    parameters: withLimit(run, limit),
    resultFormats: [],
    sendsRowDescription: false,
  }
  const rows = new RowCollector()
  await runScatterSelect(plan.candidates, own, withClient(context, rows), keys)
  return rows.keys
}

/**
 * Reference tables first: who writes them begins on the coordinator. The shards' nodes then lock their own copies of the rows, too:
 * so what a commit has changed there comes before it is read.
 */
async function lockRows(run: LockRun, batch: readonly Key[]): Promise<readonly Key[]> {
  let left = batch
  for (const reference of run.plan.references) left = await lockReferences(run, reference, left)
  return left.length === 0 ? left : lockInShards(run, left)
}

async function lockReferences(
  { context }: LockRun,
  { start, count, text }: ReferenceLock,
  batch: readonly Key[],
): Promise<readonly Key[]> {
  const connection = await context.connection(coordinatorOf(context.catalog).nodeId, 'write')
  const own = (key: Key): Key => key.slice(start, start + count)
  const rows = new RowCollector()
  const values = Array.from({ length: count }, (_, column) =>
    Buffer.from(arrayOf(batch.map((key) => own(key)[column]))),
  )
  const parameters = { types: [], formats: [], values }
  const statement = {
    text: Buffer.from(text),
    parameters,
    resultFormats: [],
    describes: false,
    maxRows: 0,
  }
  const answer = sendStatements(connection, [statement], rows, { positions: 'drop' })
  await waitFor(answer, connection, context.signal)
  const locked = new Set(rows.keys.map((key) => JSON.stringify(key)))
  return batch.filter((key) => locked.has(JSON.stringify(own(key))))
}

/** Node after node where sessions may wait for each other: so none waits for one that waits for it. */
async function lockInShards(run: LockRun, batch: readonly Key[]): Promise<readonly Key[]> {
  const { plan, context, keys } = run
  const rows = new RowCollector()
  const { worker, parameters, usesTransactionTime } = plan.lock
  const extra = usesTransactionTime ? [await context.transactionTime()] : []
  const request = {
    textFor: (shard: Shard) => textForShard(worker, shard),
    parameters: pickParameters(withKeys(run, batch), parameters, extra),
    resultFormats: [],
    maxRows: 0,
    access: 'write' as const,
  }
  const allowed = allowedShards(plan.table, plan.pins, keys)
  const shards = batch.length === 0 ? allowed.slice(0, 1) : allowed
  const nodeIds = [...new Set(shards.map(({ nodeId }) => nodeId))].sort((a, b) => a - b)
  const turns = plan.waits
    ? nodeIds.map((nodeId) => shards.filter((shard) => shard.nodeId === nodeId))
    : [shards]
  for (const turn of turns) {
    await scatter({ ...request, shards: turn }, context, new ScatterFlow(), () => rows)
  }
  return rows.keys
}

export function withKeys({ plan, execution }: LockRun, batch: readonly Key[]): Parameters {
  const numbers = Array.from({ length: plan.parameterCount }, (_, index) => index + 1)
  return pickParameters(execution.parameters, numbers, arraysOf(batch, plan.keyCount))
}

/** One for each column of the keys. */
export function arraysOf(rows: readonly Key[], width: number): readonly string[] {
  return Array.from({ length: width }, (_, column) => arrayOf(rows.map((key) => key[column])))
}

function arrayOf(values: readonly (string | undefined)[]): string {
  return `{${values.map(element).join()}}`
}

function element(value: string | undefined): string {
  return value === undefined ? 'NULL' : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** Takes rows of texts instead of the client. */
export class RowCollector implements ClientPort {
  readonly keys: Key[] = []
  readonly isCongested = false
  readonly log = { sessionId: 0 }
  readonly #limit: number

  /** `limit`: one row more is kept, to tell, and none after it. */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  readonly row = (chunk: Buffer, start: number, end: number): void => {
    if (this.keys.length > this.#limit) return
    const values = readDataRow(Buffer.from(chunk.subarray(start, end)))
    this.keys.push(values.map((value) => value?.toString('utf8')))
  }

  /** Whole messages. */
  write(chunk: Buffer, start: number, end: number): 'taken' {
    for (let at = start; at < end; ) {
      const next = at + chunk.readUInt32BE(at + 1) + HEADER_BYTES - 4
      if (chunk[at] === Backend.dataRow) this.row(chunk, at, next)
      at = next
    }
    return 'taken'
  }

  whenDrained(resume: () => void): void {
    setImmediate(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    throw new Error('there is no client')
  }
}

function moved(): RouterError {
  return new RouterError(
    SqlState.serializationFailure,
    'could not serialize access due to concurrent update',
    { hint: 'Run the transaction again, or give the table a primary key.' },
  )
}

function tooMany(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `row locks with LIMIT over several shards are limited to ${MAX_ROWS} rows`,
    { hint: 'Use a smaller LIMIT, or none at all.' },
  )
}
