import type { Replacement } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { identifierEnd, relationRange, skipBlanks } from './qualifiers.ts'
import { resolveRangeVar } from './table-references.ts'
import { type RangeVar, walkTree } from './tree.ts'

/** CREATE_TABLE_LIKE_STATISTICS of nodes/parsenodes.h */
const STATISTICS = 1 << 7

/**
 * `CREATE TABLE … (LIKE events INCLUDING ALL)` would copy the extended statistics that guard the shell of a distributed
 * table, and so make the new table unreadable: it goes without statistics.
 */
export function likeReplacements(input: PlanInput): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(input.statement, (kind, node) => {
    if (kind !== 'TableLikeClause') return undefined
    const relation = (node['relation'] ?? {}) as RangeVar
    const copiesStatistics = (Number(node['options'] ?? 0) & STATISTICS) !== 0
    if (!copiesStatistics || resolveRangeVar(input, relation)?.kind !== 'distributed')
      return undefined
    const end = optionsEnd(input.text, relationRange(input.text, relation).end)
    found.push({ start: end, end, text: ' EXCLUDING STATISTICS' })
    return undefined
  })
  return found
}

/** After the last of `INCLUDING x EXCLUDING y …`; of two that meet the later counts. */
function optionsEnd(text: Buffer, start: number): number {
  let end = start
  for (;;) {
    const word = skipBlanks(text, end)
    const wordEnd = identifierEnd(text, word)
    if (!/^(?:including|excluding)$/i.test(text.toString('latin1', word, wordEnd))) return end
    end = identifierEnd(text, skipBlanks(text, wordEnd))
  }
}
