import type { TextRange } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { skipBlanks } from './qualifiers.ts'
import type { Block } from './query-model.ts'
import { TOKEN } from './row-ranges.ts'
import { type Tree, treeKey } from './tree.ts'

type Word = { readonly word: string; readonly start: number }

/** What stands between two parentheses, or the whole text; the words are those not deeper inside. */
type Level = {
  readonly start: number
  end: number
  readonly words: Word[]
  readonly outer: Level | undefined
}

const SET_OPERATORS: ReadonlySet<string> = new Set(['union', 'intersect', 'except'])
/** What follows the last arm of a set operation and belongs to the whole. All are reserved words. */
const TAIL: ReadonlySet<string> = new Set(['order', 'limit', 'offset', 'fetch', 'for'])

/** Finds the text of single SELECTs in a statement: the parser gives no ends. */
export class BlockRanges {
  readonly #input: PlanInput
  readonly #levels: readonly Level[]

  constructor(input: PlanInput) {
    this.#input = input
    this.#levels = levelsOf(input.text)
  }

  /** Proven by parsing it: undefined where it is not exactly the block's SELECT. */
  rangeOf({ select }: Block): TextRange | undefined {
    const at = select?.targetList?.[0]?.ResTarget?.location ?? 0
    const level = this.#levels.findLast(({ start, end }) => start <= at && at < end)
    if (select === undefined || at <= 0 || level === undefined) return undefined
    const first = level.words.findLast(({ word, start }) => word === 'select' && start < at)
    if (first === undefined) return undefined
    const start = select.withClause === undefined ? first.start : level.start
    const next = level.words.find((item) => item.start > at && SET_OPERATORS.has(item.word))
    const ends = [next?.start, this.#tail(level, at), level.end]
    for (const end of ends) {
      if (end !== undefined && this.#isText({ start, end }, { SelectStmt: select })) {
        return { start, end }
      }
    }
    return undefined
  }

  #tail(level: Level, at: number): number | undefined {
    return level.words.find(({ word, start }) => start > at && TAIL.has(word))?.start
  }

  #isText({ start, end }: TextRange, statement: Tree): boolean {
    try {
      const { stmts } = this.#input.parser.parse(this.#input.text.subarray(start, end))
      return stmts.length === 1 && treeKey(stmts[0]?.stmt) === treeKey(statement)
    } catch {
      return false
    }
  }
}

/** Outer ones first. */
function levelsOf(text: Buffer): readonly Level[] {
  const latin = text.toString('latin1')
  const token = new RegExp(TOKEN)
  let level: Level = { start: 0, end: text.length, words: [], outer: undefined }
  const levels = [level]
  for (let match = token.exec(latin); match !== null; match = token.exec(latin)) {
    const [found] = match
    const { index } = match
    if (found === '/*') token.lastIndex = skipBlanks(text, index)
    else if (found === '(') {
      level = { start: index + 1, end: text.length, words: [], outer: level }
      levels.push(level)
    } else if (found === ')') {
      level.end = index
      level = level.outer ?? level
    } else level.words.push({ word: found.toLowerCase(), start: index })
  }
  return levels
}
