import t, { type Test } from 'tap'
import { ClusterPair } from './cluster-pair.ts'
import { NarrowRun } from './random/narrow-run.ts'
import { WideRun } from './random/wide/wide-run.ts'

/*
 * Random statements, on one stock Postgres and on a cluster. All of them follow from a seed:
 *
 *   PGLOOM_RANDOM_SEED=7 PGLOOM_RANDOM_STATEMENTS=100000 PGLOOM_RANDOM_SECONDS=36000 node dist/test/parity/random-parity.test.js
 *
 * PGLOOM_RANDOM_WORKERS is 0 to 4. A difference is shown with its PGLOOM_RANDOM_ONLY=…, which with the same seed runs that statement
 * alone. PGLOOM_RANDOM_FROM starts later; PGLOOM_RANDOM_REASONS shows that many statements of each kind of refusal. A busy machine runs
 * fewer statements: they end with the time.
 */
const environment = process.env
/** The same in every run of the gate: a difference must be of the change that is tested. */
const seed = Number(environment['PGLOOM_RANDOM_SEED'] ?? 20261121)
const statements = Number(environment['PGLOOM_RANDOM_STATEMENTS'] ?? 3000)
const seconds = Number(environment['PGLOOM_RANDOM_SECONDS'] ?? 80)
const workers = Number(environment['PGLOOM_RANDOM_WORKERS'] ?? 2)
const onlyText = environment['PGLOOM_RANDOM_ONLY']
const reasons = Number(environment['PGLOOM_RANDOM_REASONS'] ?? 0)
/** Of narrow statements; the rest are wide. */
const NARROW_SHARE = 0.3
/** Long runs tell all they find; few are enough to fail. */
const MAX_SHOWN = 60
const PROGRESS_STATEMENTS = 1000

t.setTimeout(600_000 + seconds * 1000)

t.test(`${statements} random statements, seed ${seed}, ${workers} workers`, async (t) => {
  t.comment(`PGLOOM_RANDOM_SEED=${seed}`)
  const pair = await ClusterPair.start(t, workers)
  const isAll = onlyText === undefined && environment['PGLOOM_RANDOM_FROM'] === undefined
  await pair.loadFixtures(isAll ? ['parity/random/fixture.sql'] : [])
  for (const client of [pair.stock, pair.proxy]) await client.run(`SET statement_timeout = '5s'`)
  if (isAll) await runNarrow(t, pair)
  await runWide(t, pair)
})

async function runNarrow(t: Test, pair: ClusterPair): Promise<void> {
  const count = statements * NARROW_SHARE
  const run = new NarrowRun(pair, seed, seconds * 1000 * NARROW_SHARE)
  await run.selects(Math.floor(count * 0.6))
  // what the proxy has done in time must be done here too, or all that follows differs
  await pair.stock.run(`SET statement_timeout = '60s'`)
  await run.modifications(Math.ceil(count * 0.4))
  await pair.stock.run(`SET statement_timeout = '5s'`)
  for (const line of run.differences.slice(0, MAX_SHOWN)) t.comment(line)
  for (const [reason, refused] of run.refusalCounts) t.comment(`${refused} refused: ${reason}`)
  t.comment(`around keys, and modifications: ${run.line}`)
  t.equal(run.differences.length, 0, run.line)
  t.ok(run.same > 10, 'some of them were answered')
}

async function runWide(t: Test, pair: ClusterPair): Promise<void> {
  const run = new WideRun(pair, seed)
  const deadline = Date.now() + seconds * 1000 * (1 - NARROW_SHARE)
  const first = Number(onlyText ?? environment['PGLOOM_RANDOM_FROM'] ?? 0)
  const end =
    onlyText === undefined ? first + Math.ceil(statements * (1 - NARROW_SHARE)) : first + 1
  let shown = 0
  for (let index = first; index < end && Date.now() < deadline; index++) {
    await run.statement(index)
    for (const line of run.differences.slice(shown, MAX_SHOWN)) t.comment(line)
    shown = run.differences.length
    if ((index + 1) % PROGRESS_STATEMENTS === 0) t.comment(`${index + 1} of ${end}: ${run.line}`)
  }
  for (const [reason, list] of run.refused) {
    t.comment(`${list.length} refused: ${reason}`)
    for (const line of list.slice(0, reasons)) t.comment(`    ${line}`)
  }
  t.comment(`all kinds of queries: ${run.line}`)
  t.equal(run.differences.length, 0, run.line)
}
