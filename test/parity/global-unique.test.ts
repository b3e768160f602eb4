import t from 'tap'
import { ClusterPair } from './cluster-pair.ts'
import { Random } from './random/random.ts'
import { UniqueRun } from './random/unique/unique-run.ts'

/*
 * Random writes to tables with global unique indexes, on one stock Postgres with plain ones and on a cluster: SQLSTATEs, tags and, after
 * each batch, all rows must be the same; and what is in the lookups what is in the rows.
 *
 *   PGLOOM_UNIQUE_SEED=7 PGLOOM_UNIQUE=20000 PGLOOM_UNIQUE_SECONDS=3600 node dist/test/parity/global-unique.test.js
 */
const environment = process.env
const seed = Number(environment['PGLOOM_UNIQUE_SEED'] ?? 20261121)
const statements = Number(environment['PGLOOM_UNIQUE'] ?? 100)
const seconds = Number(environment['PGLOOM_UNIQUE_SECONDS'] ?? 10)
const workers = Number(environment['PGLOOM_UNIQUE_WORKERS'] ?? 2)

t.setTimeout(600_000 + seconds * 1000)

t.test(`${statements} random writes, seed ${seed}, ${workers} workers`, async (t) => {
  const pair = await ClusterPair.start(t, workers)
  await pair.proxy.run('SET pgloom.global_unique_indexes = on')
  await pair.loadFixtures(['parity/random/unique/fixture.sql'])
  const run = new UniqueRun(pair, new Random(seed))
  try {
    await run.run(statements, Date.now() + seconds * 1000)
  } finally {
    for (const line of run.differences.slice(0, 20)) t.comment(line)
    for (const [reason, list] of run.refused)
      t.comment(`${list.length} refused: ${reason}: ${list[0]}`)
    t.comment(run.line)
  }
  t.equal(run.differences.length, 0, run.line)
  t.ok(run.violations > 5, 'some of them violate a global unique index')
})
