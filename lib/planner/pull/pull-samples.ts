import {
  findTopLevelKeyword,
  matchingParenthesis,
  qualifiedNameEnd,
  skipBlanks,
} from '../../sql/text-navigation.ts'
import type { TextRange } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { relationRange } from '../qualifiers.ts'
import { refuse } from '../refusals.ts'
import type { StatementTables } from '../table-references.ts'
import { type RangeTableSample, type RangeVar, walkTree } from '../tree.ts'

/** A sample that is to be the same each time: of a copy, whose rows come in any order, it would not be. */
export type RepeatedSample = {
  readonly sample: RangeTableSample
  /** TABLESAMPLE and what follows it, without the blanks before. */
  readonly clause: TextRange
}

/** Each shard takes its own, as it does where nothing is pulled: then the copy is the sample. */
export function repeatedSamples(
  { text, statement }: PlanInput,
  { references }: StatementTables,
): ReadonlyMap<RangeVar, RepeatedSample> {
  const found = new Map<RangeVar, RepeatedSample>()
  walkTree(statement, (kind, node) => {
    if (kind !== 'RangeTableSample' || node['repeatable'] === undefined) return undefined
    const sample = node as RangeTableSample
    const table = sample.relation?.RangeVar
    const reference = references.find((one) => one.node === table)
    if (table === undefined || reference?.table?.kind !== 'distributed') return undefined
    found.set(table, { sample, clause: clauseOf(text, table, sample) })
    return undefined
  })
  return found
}

function clauseOf(text: Buffer, table: RangeVar, { location = 0 }: RangeTableSample): TextRange {
  const from = skipBlanks(text, relationRange(text, table).end)
  const start = findTopLevelKeyword(text, from, location, 'tablesample')
  const repeatable = skipBlanks(text, parenthesesEnd(text, qualifiedNameEnd(text, location)))
  const end = parenthesesEnd(text, repeatable + 'repeatable'.length)
  return start < 0 ? refuse('table-sample') : { start, end }
}

function parenthesesEnd(text: Buffer, at: number): number {
  const close = matchingParenthesis(text, skipBlanks(text, at))
  return close < 0 ? refuse('table-sample') : close + 1
}
