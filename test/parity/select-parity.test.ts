import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { compareStatement, Score, type Way } from '../support/differential.ts'
import { projectPath } from '../support/project.ts'
import { type ListedStatement, readStatementList } from '../support/statement-list.ts'
import { ClusterPair } from './cluster-pair.ts'
import { columnSelects } from './column-selects.ts'

/** Statements of the list that the proxy may refuse. Lower it when the proxy learns more; never raise it. */
const MAX_REFUSED = 2

const folder = projectPath('test', 'parity', 'selects')
const lists = readdirSync(folder).filter((file) => file.endsWith('.sql'))

t.setTimeout(600_000)

t.test('SELECTs answer as one stock Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.loadFixtures()
  const total = new Score()

  for (const file of lists) {
    const statements = readStatementList(readFileSync(`${folder}/${file}`, 'utf8'), file)
    await run(t, file, statements, pair, total)
  }
  await run(t, 'columns', columnSelects(), pair, total)

  for (const [source, [sql, message]] of total.refused) t.comment(`${source}: ${message}: ${sql}`)
  t.comment(total.line)
  t.ok(total.refused.size <= MAX_REFUSED, `at most ${MAX_REFUSED} refused: ${total.line}`)
})

async function run(
  t: Test,
  title: string,
  statements: readonly ListedStatement[],
  pair: ClusterPair,
  total: Score,
): Promise<void> {
  await t.test(title, async (t) => {
    const score = new Score()
    for (const statement of statements) {
      for (const way of waysOf(statement)) {
        const verdict = await compareStatement(pair.stock, pair.proxy, statement, way)
        score.add(statement, way, verdict)
        total.add(statement, way, verdict)
      }
    }
    for (const problem of [...score.unsound, ...score.different]) t.comment(problem)
    t.equal(score.unsound.length, 0, 'the list is sound')
    t.equal(score.different.length, 0, score.line)
  })
}

/** Text results of the extended protocol come from the same code as simple ones: binary is the other half. */
function waysOf(statement: ListedStatement): readonly Way[] {
  return statement.parameters === undefined ? ['simple', 'binary'] : ['text', 'binary']
}
