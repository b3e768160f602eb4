import type { MaterializedView } from '../../catalog/catalog.ts'
import type { Plan, TextRange } from '../plan.ts'

/**
 * Statements on materialized views over distributed tables. Such a view reads a view in a schema of ours, whose query is the
 * client's: while it is filled, that view shows a table into which the answer was brought.
 */
export type MaterializePlan =
  | (FilledPlan & {
      readonly action: 'create'
      /** Of the defining query in the text. */
      readonly query: TextRange
      /** ` (a, b)` as given, or nothing. */
      readonly columns: string
    })
  | (FilledPlan & {
      readonly action: 'refresh'
      readonly view: MaterializedView
      readonly isConcurrent: boolean
    })
  /** The statement as it is; then what belongs to the views follows suit. */
  | { readonly kind: 'materialize'; readonly action: 'tend' }

type FilledPlan = {
  readonly kind: 'materialize'
  /** The qualified name of the table that the answer comes into. */
  readonly scratch: string
  /** The statement that brings the answer, and its own text. undefined: WITH NO DATA. */
  readonly fill: { readonly plan: Plan; readonly text: Buffer } | undefined
}
