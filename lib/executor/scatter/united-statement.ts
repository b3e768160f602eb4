import type { RouterError } from '../../base/errors.ts'
import type { Shard } from '../../catalog/catalog.ts'
import type { ShardText } from '../../planner/plan.ts'
import { splitScript } from '../../sql/script.ts'
import { textForShard } from '../shard-text.ts'
import type { KeptStatement } from './kept-statement.ts'

/** Planning takes longer than proportionally, and every branch's state lives until the end. */
const MAX_BRANCHES = 64
/** Syntax error or access rule violation, feature not supported. */
const CLASSES_OF_TEXTS = ['42', '0A']

/**
 * The rows of all of a node's shards in one statement, `(…) UNION ALL (…)`: one Bind, one plan and one answer instead of one for
 * each shard. For reads that are known to be quick: branches run one after the other, and keep their memory.
 */
export type UnitedStatement = {
  /** For the connection's PreparedCache. */
  readonly key: string
  readonly text: Buffer
}

const texts = new WeakMap<KeptStatement, WeakMap<readonly Shard[], UnitedStatement>>()
/** Whether Postgres takes the text in this form. */
const isTaken = new WeakMap<ShardText, boolean>()

/** `shards`: the array is what is remembered. */
export function unitedStatement(
  statement: KeptStatement,
  worker: ShardText,
  shards: readonly Shard[],
): UnitedStatement {
  let known = texts.get(statement)
  if (known === undefined) {
    known = new WeakMap()
    texts.set(statement, known)
  }
  let united = known.get(shards)
  if (united === undefined) {
    united = {
      key: `${statement.number}/${shards.map(({ index }) => index).join('+')}`,
      text: unitedText((shard) => textForShard(worker, shard), shards),
    }
    known.set(shards, united)
  }
  return united
}

export function unitedText(textFor: (shard: Shard) => Buffer, shards: readonly Shard[]): Buffer {
  const branches = shards.map((shard) => {
    const text = textFor(shard)
    const [range] = splitScript(text)
    // it may end in a comment
    return `(${text.toString('utf8', range?.start, range?.end)}\n)`
  })
  return Buffer.from(branches.join(' UNION ALL '))
}

/** What has never been tried may fail, and must not fail a transaction with it. */
export function mayUnite(
  worker: ShardText,
  shards: readonly Shard[],
  isInTransaction: boolean,
): boolean {
  if (shards.length < 2 || shards.length > MAX_BRANCHES) return false
  return isTaken.get(worker) ?? !isInTransaction
}

/** It has run in this form. */
export function isUnitable(worker: ShardText): boolean {
  return isTaken.get(worker) === true
}

/** After a run. Returns whether the form was at fault: without it, the statement may run. */
export function noteUnited(worker: ShardText, error: RouterError | undefined): boolean {
  if (error === undefined) {
    if (isTaken.get(worker) !== true) isTaken.set(worker, true)
    return false
  }
  if (isTaken.get(worker) === true || !CLASSES_OF_TEXTS.includes(error.sqlState.slice(0, 2)))
    return false
  isTaken.set(worker, false)
  return true
}
