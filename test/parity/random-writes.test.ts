import t from 'tap'
import { ClusterPair } from './cluster-pair.ts'
import { WriteRun } from './random/writes/write-run.ts'

/*
 * Random writes to several tables, by rows of all kinds of tables, on one stock Postgres and on a cluster: answers, errors and, after
 * each batch, all rows must be the same. All of them follow from a seed:
 *
 *   PGLOOM_WRITES_SEED=7 PGLOOM_WRITES=20000 PGLOOM_WRITES_SECONDS=3600 node dist/test/parity/random-writes.test.js
 *
 * PGLOOM_WRITES_WORKERS is 0 to 4. A busy machine runs fewer statements: they end with the time.
 */
const environment = process.env
const seed = Number(environment['PGLOOM_WRITES_SEED'] ?? 20261121)
const statements = Number(environment['PGLOOM_WRITES'] ?? 300)
const seconds = Number(environment['PGLOOM_WRITES_SECONDS'] ?? 30)
const workers = Number(environment['PGLOOM_WRITES_WORKERS'] ?? 2)
const MAX_SHOWN = 20

t.setTimeout(600_000 + seconds * 1000)

t.test(`${statements} random writes, seed ${seed}, ${workers} workers`, async (t) => {
  t.comment(`PGLOOM_WRITES_SEED=${seed}`)
  const pair = await ClusterPair.start(t, workers)
  await pair.loadFixtures(['parity/random/writes/fixture.sql'])
  const run = new WriteRun(pair, seed)
  try {
    await run.run(statements, Date.now() + seconds * 1000)
  } finally {
    for (const line of run.differences.slice(0, MAX_SHOWN)) t.comment(line)
    for (const [reason, list] of run.refused)
      t.comment(`${list.length} refused: ${reason}: ${list[0]}`)
    t.comment(run.line)
  }
  t.equal(run.differences.length, 0, run.line)
  t.ok(run.same > 10, 'some of them were answered')
})
