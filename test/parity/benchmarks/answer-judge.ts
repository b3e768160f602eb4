import { isDeepStrictEqual } from 'node:util'
import type { ParserHost } from '../../../lib/sql/parser-host.ts'
import { showAnswer, type Verdict } from '../../support/differential.ts'
import type { Answer, RawClient } from '../../support/raw-client.ts'
import { orderedColumns } from './answer-order.ts'

export type Way = 'simple' | 'binary'

type Judging = {
  readonly parser: ParserHost
  readonly stock: RawClient
  readonly sql: string
  readonly way: Way
}

const LIMIT = /\s+limit \d+(?:\s+offset \d+)?\s*$/i

export function ask(client: RawClient, sql: string, way: Way): Promise<Answer> {
  return way === 'simple' ? client.simple(sql) : client.extended(sql, [], 'binary')
}

/**
 * The proxy's answer beside the stock Postgres': columns, tag, and rows as a multiset, in the order that ORDER BY determines.
 * Where a LIMIT cuts among equals, other rows than the stock's are right if they are rows of the answer without LIMIT.
 */
export async function judgeAnswer(
  expected: Answer,
  got: Answer,
  judging: Judging,
): Promise<Verdict> {
  if (expected.error !== undefined || expected.results.length !== 1) {
    return { kind: 'unsound', stock: showAnswer(expected) }
  }
  if (got.error?.sqlState === '0A000') return { kind: 'refused', message: got.error.message }
  const different: Verdict = {
    kind: 'different',
    stock: showAnswer(expected),
    proxy: showAnswer(got),
  }
  if (!isDeepStrictEqual(outside(expected), outside(got))) return different
  const columns = orderedColumns(judging.parser, judging.sql)
  if (!isDeepStrictEqual(keys(expected, columns), keys(got, columns))) return different
  const rows = rowsOf(got)
  if (rowsOf(expected).length !== rows.length) return different
  if (isPartOf(rows, rowsOf(expected))) return { kind: 'same' }
  if (!LIMIT.test(judging.sql)) return different
  const whole = await ask(judging.stock, judging.sql.replace(LIMIT, ''), judging.way)
  return isPartOf(rows, rowsOf(whole)) ? { kind: 'same' } : different
}

/** All but the rows. */
function outside({ results, error, status }: Answer): unknown {
  return { columns: results.map(({ fields, tag }) => ({ fields, tag })), error, status }
}

function keys({ results }: Answer, columns: readonly number[]): unknown {
  return results[0]?.rows.map((row) => columns.map((column) => row[column]))
}

function rowsOf({ results }: Answer): readonly string[] {
  return (results[0]?.rows ?? []).map((row) => JSON.stringify(row))
}

function isPartOf(rows: readonly string[], all: readonly string[]): boolean {
  const counts = new Map<string, number>()
  for (const row of all) counts.set(row, (counts.get(row) ?? 0) + 1)
  return rows.every((row) => {
    const count = counts.get(row) ?? 0
    counts.set(row, count - 1)
    return count > 0
  })
}
