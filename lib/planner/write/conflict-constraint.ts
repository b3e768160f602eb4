import { identifierEnd, skipBlanks } from '../qualifiers.ts'
import { refuse } from '../refusals.ts'
import type { InsertStmt } from '../tree.ts'
import type { ConflictConstraint } from './write-plans.ts'

/** `ON CONSTRAINT name` as it stands in the text; none where the clause says otherwise what conflicts. */
export function conflictConstraint(
  text: Buffer,
  clause: InsertStmt['onConflictClause'],
  target: number,
): readonly ConflictConstraint[] {
  const { conname: name, location: start } = clause?.infer ?? {}
  if (name === undefined || start === undefined) return []
  let end = start
  for (const word of ['on', 'constraint']) {
    if (text.toString('latin1', end, end + word.length).toLowerCase() !== word) {
      return refuse('expression', 'ON CONSTRAINT')
    }
    end = skipBlanks(text, end + word.length)
  }
  return [{ start, end: identifierEnd(text, end), target, name }]
}
