import t from 'tap'
import { isPointRead, isScatterRead } from '../../lib/planner/parameter-forms.ts'
import type { Tree } from '../../lib/planner/tree.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'

const YES: readonly (readonly [sql: string, literals: number])[] = [
  ['SELECT * FROM t WHERE id = 1', 1],
  ["SELECT a.b FROM s.t a JOIN u ON a.id = u.id WHERE a.id = 1 AND u.x <> 'y' ORDER BY a.b", 2],
  ['SELECT id FROM t WHERE id = 1 LIMIT 21', 2],
  ['SELECT id FROM t WHERE id = -5 OR NOT (n IS NULL AND n + 1 > 3)', 3],
]

const NO: readonly (readonly [sql: string, literals: number])[] = [
  ['SELECT * FROM t', 0],
  // a comment is counted too
  ['SELECT * FROM t WHERE id = 1 /* here */', 2],
  ['SELECT 1, id FROM t WHERE id = 1', 2],
  ['SELECT id FROM t WHERE id = 1 ORDER BY 1', 2],
  ['SELECT id FROM t WHERE id = 1 OFFSET 1', 2],
  ["SELECT id FROM t WHERE id = 1 LIMIT '1'", 2],
  ['SELECT id FROM t WHERE id = 1 LIMIT 1 + 1', 3],
  ['SELECT id FROM t WHERE id = 1 LIMIT ALL', 1],
  ['SELECT id FROM t WHERE id = 1 ORDER BY id FETCH FIRST 1 ROW WITH TIES', 2],
  ['SELECT id FROM t WHERE id = 1.5', 1],
  ['SELECT id FROM t WHERE flag = true', 0],
  ['SELECT id FROM t WHERE id = 1 FOR UPDATE', 1],
  ['SELECT id FROM t WHERE id = abs(1)', 1],
  ['SELECT id FROM t WHERE id = 1 AND now() > at', 1],
  ['SELECT id FROM t WHERE id = 1 AND at < current_timestamp', 1],
  ["SELECT id FROM t WHERE at = '2026-01-01'::date", 1],
  ["SELECT id FROM t WHERE at = date '2026-01-01'", 1],
  ["SELECT id FROM t WHERE name LIKE 'a%'", 1],
  ['SELECT id FROM t WHERE id IN (1, 2)', 2],
  ['SELECT id FROM t WHERE id BETWEEN 1 AND 2', 2],
  ['SELECT id FROM t WHERE id = (SELECT 1)', 1],
  ['SELECT id FROM t WHERE id OPERATOR(pg_catalog.=) 1', 1],
  ['SELECT count(*) FROM t WHERE id = 1', 1],
  ['SELECT id FROM t WHERE id = 1 GROUP BY id', 1],
  ['SELECT DISTINCT id FROM t WHERE id = 1', 1],
  ['SELECT id FROM t JOIN u ON u.x = 3 WHERE id = 1', 2],
  ['SELECT id FROM (SELECT id FROM t) x WHERE id = 1', 1],
  ['SELECT id FROM generate_series(1, 2) id WHERE id = 1', 3],
  ['SELECT pid FROM pg_stat_activity WHERE pid = 1', 1],
  ["SELECT table_name FROM information_schema.tables WHERE table_name = 'x'", 1],
  ['WITH x AS (SELECT 1 AS id) SELECT id FROM x WHERE id = 1', 2],
  ['SELECT id FROM t WHERE id = 1 UNION SELECT id FROM u WHERE id = 1', 2],
  ['SELECT id INTO u FROM t WHERE id = 1', 1],
  ['UPDATE t SET n = 1 WHERE id = 1', 2],
  ['DELETE FROM t WHERE id = 1', 1],
]

const SCATTERED: typeof YES = [
  ...YES,
  ["SELECT count(*), sum(n) FROM t WHERE n > 1.5 AND name LIKE 'a%'", 2],
  ["SELECT id FROM t WHERE id IN (1, 2) AND at BETWEEN '2026-01-01' AND '2026-01-02'::date", 4],
  ['SELECT DISTINCT kind FROM t WHERE n NOT BETWEEN 1 AND 2 LIMIT 3 OFFSET 4', 4],
  [
    'SELECT kind, count(DISTINCT n) FROM t WHERE n < 5 GROUP BY kind HAVING max(n) > 7 ORDER BY kind',
    2,
  ],
]

const NOT_SCATTERED: typeof NO = [
  ['SELECT kind, count(*) FROM t WHERE n = 5 GROUP BY 1', 2],
  ['SELECT sum(n + 1) FROM t WHERE n = 5', 2],
  ['SELECT kind, sum(n) OVER () FROM t WHERE n = 5', 1],
  ['SELECT count(*) FILTER (WHERE n > 1) FROM t WHERE n = 5', 2],
  ["SELECT string_agg(name, ',') FROM t WHERE n = 5", 2],
  ['SELECT random() FROM t WHERE n = 5', 1],
  ["SELECT id FROM t WHERE n = 't'::regclass", 1],
  ["SELECT id FROM t WHERE n = '1'::numeric(3, 1)", 3],
  ["SELECT id FROM t WHERE n = '{1}'::int4[]", 1],
  ["SELECT id FROM t WHERE name SIMILAR TO 'a'", 1],
  ['SELECT id FROM t WHERE n = ANY (ARRAY[1, 2])', 2],
  ['SELECT id FROM t WHERE n = 1 GROUP BY GROUPING SETS ((id))', 1],
  ['SELECT DISTINCT ON (id) id FROM t WHERE n = 1 FOR SHARE', 1],
]

t.test('what literals may be parameters of', async (t) => {
  const parser = await ParserHost.create()
  const parsed = (sql: string) =>
    (parser.parse(Buffer.from(sql), 'test').stmts[0]?.stmt ?? {}) as Tree
  for (const [sql, literals] of YES) t.ok(isPointRead(parsed(sql), literals), sql)
  for (const [sql, literals] of NO) t.notOk(isPointRead(parsed(sql), literals), sql)
  for (const [sql, literals] of SCATTERED) t.ok(isScatterRead(parsed(sql), literals), sql)
  for (const [sql, literals] of NOT_SCATTERED) t.notOk(isScatterRead(parsed(sql), literals), sql)
})
