import type { PulledPlan, ScatterSelect, TextRange } from '../plan.ts'

/** A subquery in an expression that reads nothing of the statement around it. */
export type ValuePart = TextRange & {
  /** 'one': a value, or NULL where it has no row; 'exists': whether it has one; 'set': what IN, ANY or ALL compare with. */
  readonly gives: 'one' | 'exists' | 'set'
  readonly scatter: ScatterSelect
  readonly name: string
}

/** Subqueries that are answered first, over all shards, and what is left when constants stand in their places. */
export type ValuesFirst = {
  readonly parts: readonly ValuePart[]
  /** No text has a collation but the database's own. */
  readonly takesTexts: boolean
  /** With the SQL that is put in the places of the parts. undefined: it can't be planned so. */
  readonly rest: (texts: readonly string[]) => RestOfStatement | undefined
}

export type RestOfStatement = {
  readonly text: Buffer
  readonly plan: ScatterSelect | PulledPlan
}
