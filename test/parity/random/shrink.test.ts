import t from 'tap'
import { ParserHost } from '../../../lib/sql/parser-host.ts'
import { shrink } from './wide/shrink.ts'

t.test('a statement shrinks to what still fails', async (t) => {
  const host = await ParserHost.create()
  const smallest = (sql: string, failing: (sql: string) => boolean) =>
    shrink(host, sql, async (smaller) => failing(smaller.sql))

  const large = `WITH w (c) AS (SELECT 1) SELECT a.x, count(*) FROM (SELECT x, y FROM t WHERE z > 3 ORDER BY x LIMIT 2) AS a
    FULL JOIN u ON a.x = u.x AND u.y < 4 WHERE a.y IS NOT NULL GROUP BY a.x HAVING count(*) > 1 ORDER BY 1 LIMIT 3`
  const small = await smallest(large, (sql) => /FROM t\b.*FULL JOIN u ON a\.x = u\.x/.test(sql))
  t.match(small, /^SELECT \S+ FROM \(\s*SELECT . FROM t\s*\) AS a FULL JOIN u ON a\.x = u\.x$/)
  t.equal(
    await smallest('SELECT 1 AS a, 2 AS b UNION SELECT 3, 4 ORDER BY 1', (sql) =>
      sql.includes('3'),
    ),
    'SELECT 3',
  )
  t.equal(
    await smallest('SELECT x FROM t ORDER BY x, y LIMIT 3', (sql) => sql.includes('LIMIT')),
    'SELECT x FROM t ORDER BY x, y LIMIT 3',
    'which rows it cuts off stays the same',
  )
  const outputs: (number | undefined)[] = []
  await shrink(host, 'SELECT a, b, c FROM t', async ({ sql, lostOutput }) => {
    if (sql.includes('b')) outputs.push(lostOutput)
    return sql.includes('b')
  })
  t.same(outputs, [0, 1], 'says which output is gone')
})
