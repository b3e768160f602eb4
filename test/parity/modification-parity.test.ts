import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { judge, Score, send, type Verdict } from '../support/differential.ts'
import { projectPath } from '../support/project.ts'
import { type ListedStatement, readStatementList } from '../support/statement-list.ts'
import { ClusterPair } from './cluster-pair.ts'

/** Statements of the lists that the proxy may refuse. Lower it when the proxy learns more; never raise it. */
const MAX_REFUSED = 0
const ENDS_TRANSACTION = /^(?:COMMIT|END|ABORT|ROLLBACK)(?! TO)/
/** After how many statements all tables are compared: the first difference names the batch that made it. */
const BATCH = 8

const TABLES = [
  ...['tenants', 'users', 'orders', 'events', 'events_daily', 'samples', 'parts', 'readings'],
  ...['other.tenants', '"Order Items"', '"user"'],
  ...['regions', 'towns', 'streets', 'depots', 'vans', 'plots'],
  ...['"Odd Names"', 'kinds', 'countries', 'local_numbers', 'empty_table', 'campaigns', 'ads'],
]

const folder = projectPath('test', 'parity', 'modifications')

t.setTimeout(600_000)

t.test('modifications change what one stock Postgres changes', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.loadFixtures()
  const total = new Score()
  const known = new Set<string>()
  t.same(await differingTables(pair, known), [], 'both hold the same rows before')

  for (const file of readdirSync(folder).filter((name) => name.endsWith('.sql'))) {
    const statements = readStatementList(readFileSync(`${folder}/${file}`, 'utf8'), file)
    await t.test(file, async (t) => {
      for (let at = 0; at < statements.length; at += BATCH) {
        const batch = statements.slice(at, at + BATCH)
        const score = await runBatch(pair, batch, total)
        for (const problem of [...score.unsound, ...score.different]) t.comment(problem)
        t.equal(score.unsound.length, 0, 'the list is sound')
        t.equal(score.different.length, 0, `${batch[0]?.source}: ${score.line}`)
        if (await inTransaction(pair)) continue
        t.same(await differingTables(pair, known), [], 'and leaves the same rows')
      }
    })
  }

  for (const [source, [sql, message]] of total.refused) t.comment(`${source}: ${message}: ${sql}`)
  t.comment(total.line)
  t.ok(total.refused.size <= MAX_REFUSED, `at most ${MAX_REFUSED} refused: ${total.line}`)
})

/** A refused statement must not run on the stock side: both go on from the same rows. */
async function runBatch(
  pair: ClusterPair,
  batch: readonly ListedStatement[],
  total: Score,
): Promise<Score> {
  const score = new Score()
  for (const statement of batch) {
    if (pair.isAbandoned) {
      if (ENDS_TRANSACTION.test(statement.sql)) pair.isAbandoned = false
      continue
    }
    const way = statement.parameters === undefined ? 'simple' : 'binary'
    const verdict = await runOnBoth(pair, statement, way)
    score.add(statement, way, verdict)
    total.add(statement, way, verdict)
  }
  return score
}

async function runOnBoth(
  pair: ClusterPair,
  statement: ListedStatement,
  way: 'simple' | 'binary',
): Promise<Verdict> {
  const got = await send(pair.proxy, statement, way)
  if (got.error?.sqlState === '0A000') {
    if (got.status !== 'I') await pair.abandonTransaction()
    return { kind: 'refused', message: got.error.message }
  }
  const expected = await send(pair.stock, statement, way)
  if (got.status !== expected.status) await pair.abandonTransaction()
  return judge(expected, got, statement)
}

async function inTransaction(pair: ClusterPair): Promise<boolean> {
  return (await pair.stock.simple('SELECT 1')).status !== 'I'
}

/** Names and contents of the tables that differ, each told once. */
async function differingTables(pair: ClusterPair, known: Set<string>): Promise<string[]> {
  const differing: string[] = []
  for (const table of TABLES) {
    if (known.has(table)) continue
    const [expected, got] = await Promise.all([
      contents(pair, 'stock', table),
      contents(pair, 'proxy', table),
    ])
    const missing = expected.filter((row) => !got.includes(row))
    const extra = got.filter((row) => !expected.includes(row))
    if (expected.length === got.length && missing.length + extra.length === 0) continue
    known.add(table)
    differing.push(`${table}: -${missing.slice(0, 3).join(' -')} +${extra.slice(0, 3).join(' +')}`)
  }
  return differing
}

async function contents(
  pair: ClusterPair,
  side: 'stock' | 'proxy',
  table: string,
): Promise<string[]> {
  const { results } = await pair[side].run(`SELECT * FROM ${table}`)
  return (results[0]?.rows ?? []).map((row) => JSON.stringify(row)).sort()
}
