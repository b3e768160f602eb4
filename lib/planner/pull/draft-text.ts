import type { Replacement } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import type { StatementTables } from '../table-references.ts'
import { type Tree, walkTree } from '../tree.ts'

export function locks(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind) => {
    if (kind === 'LockingClause') found = true
    return !found
  })
  return found
}

/** The planner doesn't know which collation a part's column has. */
export function hasCollations(input: PlanInput, tables: StatementTables): boolean {
  let found = [...tables.distributed, ...tables.reference].some(({ columns }) =>
    columns.some(({ collation }) => collation !== undefined),
  )
  walkTree(input.statement, (kind) => {
    if (kind === 'CollateClause') found = true
    return !found
  })
  return found
}

/** The statement alone, with other texts in these places. */
export function replaced(input: PlanInput, replacements: readonly Replacement[]): Buffer {
  const range = typeof input.part === 'object' ? input.part : { start: 0, end: input.text.length }
  const pieces: Buffer[] = []
  let at = range.start
  for (const { start, end, text } of replacements.toSorted((a, b) => a.start - b.start)) {
    pieces.push(input.text.subarray(at, start), Buffer.from(text))
    at = end
  }
  pieces.push(input.text.subarray(at, range.end))
  return Buffer.concat(pieces)
}
