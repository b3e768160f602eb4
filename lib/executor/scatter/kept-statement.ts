import { settingsFingerprint } from '../../backend/prepared-cache.ts'
import type { Settings } from '../../backend/session-state.ts'
import { LruMap } from '../../base/lru-map.ts'
import type { DistributedTable } from '../../catalog/catalog.ts'
import type { ShardText } from '../../planner/plan.ts'
import type { Keeping } from '../ports.ts'

/** Beyond, a statement gets a new name and is prepared again. */
const MAX_KNOWN = 2000

/** A statement that is prepared once for each shard and connection: under which keys. Shared by all sessions that run it. */
export type KeptStatement = {
  readonly number: number
  /** By the shard's index. */
  readonly keys: readonly string[]
}

type Known = {
  readonly types: readonly number[]
  readonly settings: Settings
  readonly keeping: Keeping
  readonly statement: KeptStatement
}

const byText = new LruMap<string, KeptStatement>(MAX_KNOWN)
/** The last of each plan: its session's types and settings seldom change. */
const byPlan = new WeakMap<ShardText, Known>()
const planNumbers = new WeakMap<ShardText, number>()
let lastPlan = 0
let lastNumber = 0

/** `settings`: those under which it is parsed. */
export function keptStatement(
  worker: ShardText,
  table: DistributedTable,
  types: readonly number[],
  settings: Settings,
  keeping: Keeping,
): KeptStatement {
  const known = byPlan.get(worker)
  const isLast = known?.settings === settings && known.keeping === keeping
  if (isLast && isSame(known.types, types)) return known.statement
  const own = keeping === 'named' ? '' : `plan ${planNumber(worker)} `
  const name = own + nameOf(worker, types, settings)
  let statement = byText.get(name)
  if (statement === undefined) {
    const number = ++lastNumber
    statement = { number, keys: table.shards.map(({ index }) => `${number}/${index}`) }
    byText.set(name, statement)
  }
  byPlan.set(worker, { types, settings, keeping, statement })
  return statement
}

function planNumber(worker: ShardText): number {
  const number = planNumbers.get(worker) ?? ++lastPlan
  planNumbers.set(worker, number)
  return number
}

/** What it is for all shards: texts are as long as the client likes, so only their schemas are named once a table. */
function nameOf(
  { pieces, holeTables }: ShardText,
  types: readonly number[],
  settings: Settings,
): string {
  const schemas = [...new Set(holeTables)].map((table) =>
    table.shards.map(({ schema }) => schema).join(),
  )
  const holes = holeTables.map((table) => `${table.schema}.${table.name}`)
  const text = pieces.map((piece) => piece.toString('latin1'))
  return JSON.stringify([text, holes, schemas, types, settingsFingerprint(settings)])
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((type, index) => type === b[index]))
}
