import t from 'tap'
import { normalizedText } from '../../lib/sql/normalized-text.ts'

const CASES: readonly (readonly [string, string])[] = [
  ["SELECT 'a', 1, 2.5, E'\\'b', $$c$$, X'ff', 12345678901", 'SELECT $1, $2, $3, $4, $5, $6, $7'],
  ['SELECT $3, 1, $1 FROM "t1" -- x\n;', 'SELECT $3, $4, $1 FROM "t1"'],
  ['/* secret */ SELECT/**/1', 'SELECT $1'],
  ["SELECT U&'secret'", '<not shown>'],
  [`SELECT '${'x'.repeat(9000)}'`, '<not shown>'],
]

t.test('normalizedText() shows no literal', async (t) => {
  for (const [text, shown] of CASES) {
    t.equal(normalizedText(Buffer.from(text)).replace(/\s+/g, ' '), shown)
  }
})
