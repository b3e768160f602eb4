import { isDeepStrictEqual } from 'node:util'
import type { Answer, Field, Result } from '../../../support/raw-client.ts'
import type { Delivery } from './delivery.ts'
import type { Statement } from './statements.ts'

type Row = Result['rows'][number]

/**
 * Describe of a portal shows the type modifiers of its plan, where constants are folded and set operations rebuilt, Describe
 * of its statement those that the inputs agree on; a portal that we run ourselves is described as its statement.
 */
const MODIFIER_IS_OPEN = /\b(EXCEPT|INTERSECT)\b/
const SIGNIFICANT_DIGITS = 9

/** Whether both answers are right. `whole`: what the stock side answers without LIMIT, where that is needed. */
export function agree(
  stock: Answer,
  proxy: Answer,
  statement: Statement,
  way: Delivery['way'],
  whole: Answer | undefined,
): boolean {
  if (stock.error !== undefined || proxy.error !== undefined) {
    return stock.error?.sqlState === proxy.error?.sqlState && stock.status === proxy.status
  }
  if (stock.status !== proxy.status || stock.results.length !== proxy.results.length) return false
  return stock.results.every((result, at) => {
    const other = proxy.results[at]
    return other !== undefined && resultsAgree(result, other, statement, way, whole?.results[at])
  })
}

function resultsAgree(
  stock: Result,
  proxy: Result,
  statement: Statement,
  way: Delivery['way'],
  whole: Result | undefined,
): boolean {
  const sides = [stock, proxy].map(({ fields }) =>
    way !== 'simple' || MODIFIER_IS_OPEN.test(statement.sql) ? fields?.map(plainType) : fields,
  )
  if (!isDeepStrictEqual(sides[0], sides[1]) || stock.tag !== proxy.tag) return false
  const { comparison, freedoms } = statement
  const rows = stock.rows.map((row) => settled(row, freedoms))
  const others = proxy.rows.map((row) => settled(row, freedoms))
  if (comparison.kind === 'rows') {
    return way === 'into'
      ? isDeepStrictEqual(bag(rows), bag(others))
      : isDeepStrictEqual(rows, others)
  }
  // a line of COPY is one column; a table that was made of the rows has no order
  const sorted = way === 'copy' || way === 'into' ? [] : comparison.sorted
  const isSorted = isDeepStrictEqual(project(rows, sorted), project(others, sorted))
  if (!isSorted || rows.length !== others.length) return false
  if (comparison.kind === 'bag') return isDeepStrictEqual(bag(rows), bag(others))
  return (
    whole !== undefined &&
    isPartOf(
      others,
      whole.rows.map((row) => settled(row, freedoms)),
    )
  )
}

function plainType(field: Field): Field {
  return { ...field, typeModifier: -1 }
}

function project(rows: readonly Row[], columns: readonly number[]): readonly Row[] {
  return rows.map((row) => columns.map((at) => row[at] ?? null))
}

function bag(rows: readonly Row[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

function isPartOf(rows: readonly Row[], whole: readonly Row[]): boolean {
  const left = new Map<string, number>()
  for (const key of bag(whole)) left.set(key, (left.get(key) ?? 0) + 1)
  return bag(rows).every((key) => {
    const count = left.get(key) ?? 0
    left.set(key, count - 1)
    return count > 0
  })
}

/** What SQL leaves open is taken out of the values. */
function settled(row: Row, freedoms: Statement['freedoms']): Row {
  return row.map((value, at) => {
    if (value === null || freedoms[at] === 'none') return value
    if (freedoms[at] === 'elements')
      return value
        .replaceAll(/^[{[]|[}\]]$/g, '')
        .split(/, ?/)
        .sort()
        .join()
    const number = Number(value)
    return Math.abs(number) < 1e-9 ? '0' : number.toPrecision(SIGNIFICANT_DIGITS)
  })
}
