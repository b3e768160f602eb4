import type { Catalog } from '../catalog/catalog.ts'
import { DeparseMismatch, deparse, deparseExpression } from '../sql/deparse.ts'
import type { ParserHost } from '../sql/parser-host.ts'
import type { TextRange } from './plan.ts'
import { refuse } from './refusals.ts'
import type { Tree } from './tree.ts'

/** The literals of the text in order, as the lexer counts them for the plan cache; byte offsets. */
export type LexedLiterals = {
  readonly count: number
  readonly starts: ArrayLike<number>
  readonly ends: ArrayLike<number>
  /** SpanType of each: comments are counted with the literals. */
  readonly types?: ArrayLike<number>
}

export type PlanInput = {
  /** One statement, UTF-8, whose tree's locations count from its start. */
  readonly text: Buffer
  readonly statement: Tree
  /**
   * Where in the text the statement stands that `statement` is, if it is a part: of EXPLAIN, of COPY (query); of
   * DECLARE, whose query's place isn't known.
   */
  readonly part?: TextRange | 'somewhere'
  readonly catalog: Catalog
  /** Expanded, see expandSearchPath. */
  readonly searchPath: readonly string[]
  /** Relations that the session has created as temporary ones. */
  readonly temporaryNames: ReadonlySet<string>
  /** The session reads no views but Postgres' own (restrict_nonsystem_relation_kind). */
  readonly restrictsViews?: boolean | undefined
  /** undefined: the lexer would not name the literals (U&'…' and its kin): the plan is for this text only. */
  readonly literals: LexedLiterals | undefined
  /** For SQL of our own making. */
  readonly parser: ParserHost
}

export function printStatement(input: PlanInput, statement: Tree): string {
  return printed(() => deparse(input.parser, statement as Parameters<typeof deparse>[1]))
}

export function printExpression(input: PlanInput, expression: Tree): string {
  return printed(() =>
    deparseExpression(input.parser, expression as Parameters<typeof deparseExpression>[1]),
  )
}

function printed(print: () => string): string {
  try {
    return print()
  } catch (error) {
    if (error instanceof DeparseMismatch) return refuse('expression', error.message)
    throw error
  }
}
