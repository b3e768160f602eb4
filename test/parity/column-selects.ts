import type { ListedStatement } from '../support/statement-list.ts'

/** Every column of `samples`; those that have no ordering can't be sorted, grouped or counted distinct. */
const ORDERED_COLUMNS = [
  'k id flag small big ratio weight price amount label code fixed born clock zoned seen logged span',
  'uid body tags nums doc ip net',
]
  .join(' ')
  .split(' ')

/** One constant of each column's own values, to compare with. */
const CONSTANTS: Readonly<Record<string, string>> = {
  k: '5',
  id: '77',
  flag: 'true',
  small: '-3',
  big: '469135782',
  ratio: '1.25',
  weight: '-0.5',
  price: '10.125',
  amount: '49.4',
  label: "'straße'",
  code: "'C9'",
  fixed: "'f2'",
  born: "'2001-06-08'",
  clock: "'04:50:15'",
  zoned: "'12:00+02'",
  seen: "'2026-03-29 04:10'",
  logged: "'2026-10-25 01:06:00.123+00'",
  span: "'1 month'",
  uid: "'c74d97b0-1eae-257e-44aa-9d5bade97baf'",
  body: "'\\xc81e728d9d4c2f636f067f89cc14862c'",
  tags: "'{t1,y}'",
  nums: "'{1}'",
  doc: `'{"s": "v1"}'`,
  ip: "'10.1.0.70'",
  net: "'192.168.3.0/24'",
}

/** The same questions asked of every column: what a type does must not depend on where it is computed. */
export function columnSelects(): ListedStatement[] {
  return ORDERED_COLUMNS.flatMap((column) => {
    const constant = CONSTANTS[column] ?? 'NULL'
    return [
      ordered(`SELECT ${column}, id FROM samples ORDER BY ${column}, id`),
      ordered(`SELECT id FROM samples ORDER BY ${column} DESC NULLS LAST, id DESC LIMIT 25`),
      ordered(`SELECT ${column} AS c FROM samples ORDER BY c NULLS FIRST, id OFFSET 30`),
      unordered(`SELECT id, ${column} FROM samples WHERE ${column} = ${constant}`),
      unordered(`SELECT id FROM samples WHERE ${column} > ${constant} OR ${column} IS NULL`),
      unordered(`SELECT ${column}, count(*) FROM samples GROUP BY ${column}`),
      ordered(`SELECT count(DISTINCT ${column}), count(${column}) FROM samples`),
      unordered(`SELECT DISTINCT ${column} FROM samples WHERE id % 2 = 0`),
    ]
  })
}

function ordered(sql: string): ListedStatement {
  return { sql, unordered: false, parameters: undefined, error: undefined, source: 'columns' }
}

function unordered(sql: string): ListedStatement {
  return { ...ordered(sql), unordered: true }
}
