import t from 'tap'
import { ClusterPair, loadScript } from '../parity/cluster-pair.ts'

t.setTimeout(600_000)

const SETUP = `
CREATE TABLE rates (a int, t text, n numeric, j json, made int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE prices (k int, v int);
CREATE TABLE here (v int, t text);
SELECT create_distributed_table('prices', 'k', shard_count => 4);
SELECT create_reference_table('rates');
INSERT INTO rates (a, t, n, j) SELECT g % 4, CASE WHEN g % 5 <> 0 THEN 'r' || g % 3 END, 1.50, '{"a": 1}' FROM generate_series(1, 24) g;
INSERT INTO rates (a) SELECT NULL FROM generate_series(1, 3);
INSERT INTO prices SELECT g, g % 4 FROM generate_series(1, 20) g;
INSERT INTO here VALUES (1, 'r1'), (2, 'r2');
`

const STATEMENTS = [
  'UPDATE rates SET n = n + p.v FROM prices p WHERE p.k = rates.a',
  `UPDATE rates SET t = t || (SELECT count(*) FROM prices) WHERE a = 2 RETURNING a, t`,
  'DELETE FROM rates USING here h WHERE h.v = rates.a AND h.t = rates.t',
  'DELETE FROM rates WHERE a IN (SELECT v FROM prices WHERE k < 2)',
  'UPDATE rates SET a = 9, t = (SELECT max(t) FROM here) WHERE a IS NULL',
  'WITH gone AS (DELETE FROM rates WHERE a = 9 RETURNING *) INSERT INTO here SELECT a, t FROM gone',
  'WITH more AS (UPDATE prices SET v = v + 1 RETURNING v) UPDATE rates SET n = (SELECT sum(v) FROM more)',
  `MERGE INTO rates r USING here h ON r.a = h.v WHEN MATCHED AND h.v > 5 THEN DELETE WHEN NOT MATCHED THEN INSERT (a, t) VALUES (h.v, 'new')`,
  'UPDATE rates SET n = (SELECT 1 / (count(*) - count(*)) FROM prices)',
]

t.test('a reference table without a primary key is changed alike on all nodes', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await loadScript(pair, SETUP)
  const { proxy, stock } = pair
  const rowsOf = async (side: 'proxy' | 'stock', table: string): Promise<readonly string[]> => {
    const { results } = await pair[side].run(`SELECT * FROM ${table}`)
    return (results[0]?.rows ?? []).map((row) => JSON.stringify(row)).sort()
  }
  const copies = async (): Promise<string> => {
    const image = `SELECT md5(string_agg(r::text, E'\\n' ORDER BY r::text)) FROM rates r`
    const { results } = await proxy.run(
      `SELECT DISTINCT result FROM run_command_on_all_nodes($$${image}$$)`,
    )
    return JSON.stringify(results[0]?.rows)
  }
  for (const sql of STATEMENTS) {
    await t.test(sql, async (t) => {
      const [own, other] = [await proxy.simple(sql), await stock.simple(sql)]
      t.same(
        [own.error?.sqlState, own.results.at(-1)?.tag],
        [other.error?.sqlState, other.results.at(-1)?.tag],
      )
      for (const table of ['rates', 'prices', 'here']) {
        t.same(await rowsOf('proxy', table), await rowsOf('stock', table), table)
      }
      t.match(await copies(), /^\[\["[0-9a-f]{32}"\]\]$/, 'all copies are equal')
    })
  }

  await t.test('equal rows may become different ones', async (t) => {
    await proxy.run(`UPDATE rates SET a = 1, t = 'same', n = 1, j = NULL`)
    const before = await proxy.value('SELECT count(*) FROM rates')
    await proxy.run('UPDATE rates SET n = random()')
    t.match(await copies(), /^\[\["[0-9a-f]{32}"\]\]$/)
    t.equal(await proxy.value('SELECT count(DISTINCT n) FROM rates'), before)
    await proxy.run(`UPDATE rates SET n = 1; DELETE FROM rates WHERE random() < 0.5`)
    t.match(await copies(), /^\[\["[0-9a-f]{32}"\]\]$/)
    await proxy
      .run(
        `MERGE INTO rates r USING here h ON r.a = h.v AND random() < 0.5 WHEN MATCHED THEN UPDATE SET n = random()`,
      )
      .catch(() => undefined)
    t.match(await copies(), /^\[\["[0-9a-f]{32}"\]\]$/)
  })
})
