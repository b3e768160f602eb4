import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { DevCluster } from './support/pgloom-process.ts'
import { projectPath } from './support/project.ts'
import { RawClient } from './support/raw-client.ts'

t.setTimeout(600_000)

const README = readFileSync(projectPath('README.md'), 'utf8')

function sqlOf(heading: string): string {
  const section = README.split(`## ${heading}\n`)[1] ?? ''
  return /```sql\n([\s\S]*?)```/.exec(section)?.[1] ?? ''
}

/** As psql would send them: one by one. The README's statements hold no semicolon but at their ends. */
function statements(sql: string): readonly string[] {
  return sql
    .replaceAll(/--.*$/gm, '')
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

t.test('the tour of the README runs as it stands', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  const tour = statements(sqlOf('A tour'))
  t.ok(tour.length > 10)
  for (const statement of tour) {
    await t.resolves(client.run(statement), statement)
  }
  t.equal(await client.value('SELECT count(*) FROM events'), '10000')
  client.close()
})

t.test('every file that the README names is there', async (t) => {
  for (const [, path = ''] of README.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
    t.ok(existsSync(projectPath(path)), path)
  }
})
