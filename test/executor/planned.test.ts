import t from 'tap'
import { Executor } from '../../lib/executor/executor.ts'
import { query } from '../../lib/executor/node-client.ts'
import type { Execution } from '../../lib/executor/ports.ts'
import { planStatement } from '../../lib/planner/planner.ts'
import type { Tree } from '../../lib/planner/tree.ts'
import { LexResult, lexStatement } from '../../lib/sql/lexer.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { EVENTS_DDL, execution, executorWorld } from '../support/executor-world.ts'

const ROWS = `SELECT g % 50, g, 'kind ' || g % 3, g * 7 % 100 + 0.25, CASE WHEN g % 7 = 0 THEN NULL ELSE ARRAY['a', (g % 10)::text] END FROM generate_series(1, 500) g`

/** Each must give the same rows, in the same order, as the same statement on one table. */
const SELECTS = [
  'SELECT * FROM events WHERE tenant_id = 7 ORDER BY id',
  'SELECT count(*) FROM events',
  'SELECT count(*), sum(amount), min(kind), max(amount), avg(amount) FROM events',
  'SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY n DESC, kind',
  'SELECT kind, count(DISTINCT tenant_id), sum(amount) FROM events GROUP BY kind HAVING count(*) > 1 ORDER BY 1',
  'SELECT tenant_id, id FROM events ORDER BY amount DESC NULLS LAST, id LIMIT 7 OFFSET 3',
  'SELECT DISTINCT kind FROM events ORDER BY kind DESC',
  'SELECT id, tags FROM events WHERE tags IS NOT NULL ORDER BY tags, id LIMIT 20',
  'SELECT tenant_id, sum(amount) FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5',
  'SELECT count(*) FROM events WHERE tenant_id IN (1, 2, 3)',
  'SELECT upper(kind) AS k, bool_and(amount > 1), array_agg(id ORDER BY id) FROM events WHERE id < 20 GROUP BY 1 ORDER BY 1',
  'SELECT a.tenant_id, count(*) FROM events a JOIN events b USING (tenant_id) GROUP BY 1 ORDER BY 1',
  'SELECT count(*) FROM events WHERE tenant_id = NULL',
  'SELECT avg(amount::float8), sum(id) FROM events',
  'SELECT x.kind, x.n * 2 FROM (SELECT kind, count(*) AS n FROM events WHERE tenant_id = 3 GROUP BY 1) x ORDER BY 1',
]

t.test("the planner's plans, run, answer as one table does", async (t) => {
  const world = await executorWorld(t, 2)
  const parser = await ParserHost.create()
  const executor = new Executor({
    callFunction: async () => ({ columns: [], rows: [] }),
    parameterTypes: async () => [],
    runDdl: async () => '',
    refreshSizes: async () => undefined,
  })
  const run = async (text: string, more: Partial<Execution> = {}) => {
    const bytes = Buffer.from(text)
    const literals = new LexResult()
    const isLexed = lexStatement(bytes, 0, bytes.length, literals)
    const plan = planStatement({
      text: bytes,
      statement: (parser.parse(bytes).stmts[0]?.stmt ?? {}) as Tree,
      catalog: world.catalog,
      searchPath: ['public'],
      temporaryNames: new Set(),
      literals: isLexed ? literals : undefined,
      parser,
    })
    const tag = await executor.run(plan, execution(text, more), world.context)
    return { tag, kind: plan.kind, ...world.client.take() }
  }

  const stock = await world.connect(1)
  await query(stock, `CREATE SCHEMA stock; SET search_path = stock; ${EVENTS_DDL}`)
  const insert = `INSERT INTO events (tenant_id, id, kind, amount, tags) ${ROWS}`
  t.equal((await run(insert)).tag, (await query(stock, insert)).tag)

  for (const text of SELECTS) {
    t.test(text, async (t) => {
      const [ours, theirs] = [await run(text), await query(stock, text)]
      const rows = theirs.rows.map((row) => row.map((value) => value ?? null))
      t.same(ours.rows, rows)
      t.equal(ours.tag, theirs.tag)
      const shape = (fields: typeof theirs.fields = []) =>
        fields.map(({ name, typeOid, typeModifier }) => [name, typeOid, typeModifier])
      t.same(shape(ours.fields), shape(theirs.fields))
    })
  }

  for (const text of [
    'UPDATE events SET amount = amount + 1 WHERE tenant_id = 3',
    'UPDATE events SET amount = amount * 2 WHERE id % 2 = 0',
    "INSERT INTO events (tenant_id, id, kind) VALUES (1, 901, 'a'), (2, 902, 'b'), (3, 903, 'c') RETURNING tenant_id, id, kind",
    "INSERT INTO events (tenant_id, id, kind) VALUES (44, 904, 'a') RETURNING *",
    'INSERT INTO events (tenant_id, id) SELECT tenant_id, id + 1000 FROM events WHERE id < 10',
    "DELETE FROM events WHERE kind = 'kind 1'",
    'DELETE FROM events WHERE tenant_id = 9',
  ]) {
    t.test(text, async (t) => {
      const [ours, theirs] = [await run(text), await query(stock, text)]
      t.equal(ours.tag, theirs.tag)
      t.same(
        ours.rows,
        theirs.rows.map((row) => row.map((value) => value ?? null)),
      )
      const all = 'SELECT * FROM events ORDER BY id'
      t.same(
        (await run(all)).rows,
        (await query(stock, all)).rows.map((row) => row.map((v) => v ?? null)),
      )
    })
  }

  t.test('parameters', async (t) => {
    const values = [Buffer.from('3')]
    const parameters = { types: [], formats: [], values }
    const one = await run('SELECT count(*) FROM events WHERE tenant_id = $1', { parameters })
    const { rows } = await query(stock, 'SELECT count(*) FROM events WHERE tenant_id = 3')
    t.same(one.rows, rows)
    const some = await run(
      'SELECT kind, count(*) + $1 FROM events WHERE id > $1 GROUP BY 1 ORDER BY 1',
      {
        parameters: { types: [23], formats: [1], values: [Buffer.from([0, 0, 0, 5])] },
      },
    )
    t.same(
      some.rows,
      (
        await query(
          stock,
          'SELECT kind, count(*) + 5 FROM events WHERE id > 5 GROUP BY 1 ORDER BY 1',
        )
      ).rows,
    )
  })

  t.test('COPY', async (t) => {
    const { rows } = await query(stock, 'SELECT count(*) FROM events')
    const tag = `COPY ${rows[0]?.[0]}`
    for (const text of ['COPY  events (id) TO STDOUT', 'copy public . "events" to stdout']) {
      t.equal((await run(text)).tag, tag, text)
    }
    world.client.copyBodies = [Buffer.from('7\t7001\n8\t7002\n')]
    t.equal((await run('COPY  events ( tenant_id,id ) FROM STDIN ')).tag, 'COPY 2')
    t.equal((await run('DELETE FROM events WHERE id > 7000')).tag, 'DELETE 2')
  })

  t.test('EXPLAIN', async (t) => {
    const one = await run('EXPLAIN (COSTS OFF) SELECT * FROM events WHERE tenant_id = 3')
    t.match(one.rows[2]?.[0], /Task Count: 1/)
    t.match(one.rows[7]?.[0], /-> {2}Seq Scan on events/)
    const many = await run('EXPLAIN (COSTS OFF) SELECT count(*) FROM events')
    t.same(many.rows.slice(0, 6), [
      ['Aggregate'],
      ['  ->  Custom Scan (Citus Adaptive)'],
      ['        Tier: combine'],
      ['        Task Count: 4'],
      ['        Shards Pruned: 0 of 4'],
      ['        Tasks Shown: One of 4'],
    ])
    t.match(many.rows[8]?.[0], /-> {2}Aggregate/)
  })

  t.test("an error has the position of the client's text", async (t) => {
    const text = 'SELECT nothing FROM events WHERE tenant_id = 3'
    const frame = await run(text).catch((error: { frame: Buffer }) => error.frame.toString())
    t.match(frame, /P8\0/)
    const late = 'SELECT 1 FROM events WHERE tenant_id = 3 AND nothing'
    const lateFrame = await run(late).catch((error: { frame: Buffer }) => error.frame.toString())
    t.match(lateFrame, new RegExp(`P${late.indexOf('nothing') + 1}\0`))
  })
})
