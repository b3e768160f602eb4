import { isDeepStrictEqual } from 'node:util'
import type { Answer, RawClient, Result } from './raw-client.ts'
import type { ListedStatement } from './statement-list.ts'

/** How a statement is sent. */
export type Way = 'simple' | 'text' | 'binary'

export type Verdict =
  | { readonly kind: 'same' }
  /** The proxy said 0A000 where stock Postgres answered, or gave another error. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'different'; readonly stock: string; readonly proxy: string }
  /** Stock Postgres did not do what the list says: the list is wrong. */
  | { readonly kind: 'unsound'; readonly stock: string }

const REFUSAL = '0A000'
const SHOWN_CHARS = 1500

export async function send(
  client: RawClient,
  statement: ListedStatement,
  way: Way,
): Promise<Answer> {
  if (way === 'simple') return await client.simple(statement.sql)
  return await client.extended(statement.sql, statement.parameters ?? [], way)
}

/** Runs a statement on both and judges the answers. */
export async function compareStatement(
  stock: RawClient,
  proxy: RawClient,
  statement: ListedStatement,
  way: Way,
): Promise<Verdict> {
  const [expected, got] = await Promise.all([
    send(stock, statement, way),
    send(proxy, statement, way),
  ])
  return judge(expected, got, statement)
}

export function judge(expected: Answer, got: Answer, statement: ListedStatement): Verdict {
  if (expected.error?.sqlState !== statement.error) {
    return { kind: 'unsound', stock: showAnswer(expected) }
  }
  if (got.error?.sqlState === REFUSAL && expected.error?.sqlState !== REFUSAL) {
    return { kind: 'refused', message: got.error.message }
  }
  if (
    isDeepStrictEqual(
      comparable(expected, statement.unordered),
      comparable(got, statement.unordered),
    )
  ) {
    return { kind: 'same' }
  }
  return { kind: 'different', stock: showAnswer(expected), proxy: showAnswer(got) }
}

/** Messages of errors may differ, their SQLSTATE may not. Rows before an error may differ: the error undoes them. */
export function comparable(answer: Answer, unordered: boolean): unknown {
  if (answer.error !== undefined) return { error: answer.error.sqlState, status: answer.status }
  const results = answer.results.map((result) => (unordered ? sorted(result) : result))
  return { results, status: answer.status }
}

function sorted(result: Result): unknown {
  return { ...result, rows: result.rows.map((row) => JSON.stringify(row)).sort() }
}

export function showAnswer(answer: Answer): string {
  const lines = answer.results.map((result) => {
    const fields = result.fields?.map((f) => `${f.name}:${f.typeOid}/${f.typeModifier}/${f.format}`)
    const rows = result.rows.slice(0, 12).map((row) => JSON.stringify(row))
    return `[${fields?.join(' ') ?? 'no fields'}] ${result.rows.length} rows ${rows.join(' ')} ${result.tag ?? '(no tag)'}`
  })
  if (answer.error !== undefined) lines.push(`${answer.error.sqlState}: ${answer.error.message}`)
  return `${lines.join('\n')} (${answer.status})`.slice(0, SHOWN_CHARS)
}

/** Counts verdicts and keeps what a reader of a failed test must see. */
export class Score {
  same = 0
  readonly refused = new Map<string, string[]>()
  readonly different: string[] = []
  readonly unsound: string[] = []

  add(statement: ListedStatement, way: Way, verdict: Verdict): void {
    const title = `${statement.source} (${way}): ${statement.sql}`
    switch (verdict.kind) {
      case 'same':
        this.same++
        break
      case 'refused':
        this.refused.set(statement.source, [statement.sql, verdict.message])
        break
      case 'different':
        this.different.push(`${title}\n  stock: ${verdict.stock}\n  proxy: ${verdict.proxy}`)
        break
      case 'unsound':
        this.unsound.push(`${title}\n  stock: ${verdict.stock}`)
        break
    }
  }

  /** `N same, N refused, N different`: answers, refused statements, answers. */
  get line(): string {
    return `${this.same} same, ${this.refused.size} refused, ${this.different.length} different`
  }
}
