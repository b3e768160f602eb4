import { LexResult, lexStatement, SpanType } from './lexer.ts'

/** As pg_stat_statements shows texts that it can't show. */
const HIDDEN = '<not shown>'
const MAX_TEXT_BYTES = 8 * 1024
const FEW_SPANS = 16

/** A statement with $n for each of its literals, counted on from its own parameters, and without comments. Never a literal. */
export function normalizedText(text: Buffer): string {
  if (text.length > MAX_TEXT_BYTES) return HIDDEN
  const literals = new LexResult(FEW_SPANS)
  if (!lexStatement(text, 0, text.length, literals)) return HIDDEN
  const segments: string[] = []
  const isLiteral: boolean[] = []
  let from = 0
  for (let index = 0; index < literals.count; index++) {
    segments.push(text.toString('utf8', from, literals.starts[index]))
    isLiteral.push(literals.types[index] !== SpanType.comment)
    from = literals.ends[index] ?? text.length
  }
  segments.push(text.toString('utf8', from))
  let last = Math.max(0, ...segments.flatMap(parametersOf))
  const parts = segments.map((segment, index) => {
    if (index === segments.length - 1) return segment
    return segment + (isLiteral[index] === true ? `$${++last}` : ' ')
  })
  return parts.join('').trim().replace(/\s*;$/, '')
}

function parametersOf(segment: string): readonly number[] {
  return [...segment.matchAll(/\$(\d{1,5})(?!\d)/g)].map(([, number]) => Number(number))
}
