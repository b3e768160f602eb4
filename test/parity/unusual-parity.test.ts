import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { FIRST_USER_OID } from '../../lib/executor/relay/row-description-mapping.ts'
import { judge, Score, send } from '../support/differential.ts'
import { projectPath } from '../support/project.ts'
import type { Answer } from '../support/raw-client.ts'
import { type ListedStatement, readStatementList } from '../support/statement-list.ts'
import { ClusterPair } from './cluster-pair.ts'

/** Statements of the lists that the proxy may refuse. Lower it when the proxy learns more; never raise it. */
const MAX_REFUSED = 0

const folder = projectPath('test', 'parity', 'unusual')

t.setTimeout(600_000)

/** PGLOOM_TEST_LIST: the name of one list. In order, one after the other: some of them leave something behind for the next. */
t.test('what few programs do answers as one stock Postgres', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await pair.loadFixtures(['parity/unusual.sql'])
  const total = new Score()
  const { PGLOOM_TEST_LIST: only = '.sql' } = process.env
  for (const file of readdirSync(folder).filter((name) => name.endsWith(only))) {
    const statements = readStatementList(readFileSync(`${folder}/${file}`, 'utf8'), file)
    await t.test(file, async (t) => {
      const score = new Score()
      for (const statement of statements) await compare(pair, statement, [score, total])
      for (const problem of [...score.unsound, ...score.different]) t.comment(problem)
      t.equal(score.unsound.length, 0, 'the list is sound')
      t.equal(score.different.length, 0, score.line)
    })
  }
  for (const [source, [sql, message]] of total.refused) t.comment(`${source}: ${message}: ${sql}`)
  t.comment(total.line)
  t.ok(total.refused.size <= MAX_REFUSED, `at most ${MAX_REFUSED} refused: ${total.line}`)
})

async function compare(
  pair: ClusterPair,
  statement: ListedStatement,
  scores: readonly Score[],
): Promise<void> {
  const { parameters, sql } = statement
  // what changes something is sent once
  const isQuery = /^(?:SELECT|TABLE|WITH)\b(?!.*\b(?:INTO|noted|UPDATE|SHARE)\b)/.test(sql)
  const ways =
    parameters === undefined ? (['simple', 'binary'] as const) : (['text', 'binary'] as const)
  for (const way of isQuery ? ways : ways.slice(0, 1)) {
    // OIDs of the user's own are what they are on each side
    if (way === 'binary' && /tableoid|array_agg|pg_typeof/.test(sql)) continue
    const got = withoutOids(await send(pair.proxy, statement, way))
    const verdict = judge(withoutOids(await send(pair.stock, statement, way)), got, statement)
    for (const score of scores) score.add(statement, way, verdict)
  }
}

function withoutOids(answer: Answer): Answer {
  const results = answer.results.map((result) => ({
    ...result,
    fields: result.fields?.map((field) => ({
      ...field,
      typeOid: field.typeOid < FIRST_USER_OID ? field.typeOid : FIRST_USER_OID,
    })),
  }))
  return { ...answer, results }
}
