import type { DeclareCursorPlan, LocalCursor, Plan, RefusalPlan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { tableReferences } from './table-references.ts'
import type { Tree } from './tree.ts'

/** CURSOR_OPT_… of nodes/parsenodes.h, in the order in which DECLARE takes the words. */
const BINARY = 0x01
const WORDS_BEFORE_CURSOR: readonly (readonly [bit: number, word: string])[] = [
  [BINARY, 'BINARY'],
  [0x08, 'INSENSITIVE'],
  [0x10, 'ASENSITIVE'],
  [0x02, 'SCROLL'],
  [0x04, 'NO SCROLL'],
]
const HOLD = 0x20

type Fields = Readonly<Record<string, unknown>>

/** A cursor over distributed tables; undefined: there are none in it. */
export function planDeclareCursor(
  input: PlanInput,
  body: Fields,
  planStatement: (input: PlanInput) => Plan,
): DeclareCursorPlan | RefusalPlan | undefined {
  const query = body['query'] as Tree
  if (tableReferences(input, query).distributed.length === 0) return undefined
  const statement = planStatement({ ...input, statement: query, part: 'somewhere' })
  if (statement.kind === 'refusal') return statement
  if (statement.kind !== 'select' && statement.kind !== 'pulled')
    return refuse('utility', 'DeclareCursorStmt')
  const name = String(body['portalname'] ?? '')
  const options = Number(body['options'] ?? 0)
  const isHeld = (options & HOLD) !== 0
  const words = WORDS_BEFORE_CURSOR.flatMap(([bit, word]) => ((options & bit) === 0 ? [] : [word]))
  const quotedName = `"${name.replaceAll('"', '""')}"`
  const head = ['DECLARE', quotedName, ...words, 'CURSOR', ...(isHeld ? ['WITH HOLD'] : []), 'FOR ']
  return { kind: 'declare-cursor', name, isHeld, head: head.join(' '), statement }
}

/** What a statement that runs as it is does with a cursor. */
export function localCursor(statement: Tree): LocalCursor | undefined {
  const { DeclareCursorStmt, FetchStmt, ClosePortalStmt } = statement as Readonly<
    Record<string, Fields | undefined>
  >
  if (DeclareCursorStmt !== undefined) {
    const isHeld = (Number(DeclareCursorStmt['options'] ?? 0) & HOLD) !== 0
    return { action: 'declare', name: nameOf(DeclareCursorStmt), isHeld }
  }
  if (FetchStmt !== undefined) return { action: 'fetch', name: nameOf(FetchStmt), isHeld: false }
  if (ClosePortalStmt === undefined) return undefined
  return { action: 'close', name: nameOf(ClosePortalStmt), isHeld: false }
}

function nameOf(body: Fields): string {
  return String(body['portalname'] ?? '')
}
