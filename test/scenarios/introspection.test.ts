import { readFileSync } from 'node:fs'
import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { projectPath } from '../support/project.ts'
import { hasProgram, runPsql } from '../support/psql.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

const CREATE_CALL = /^SELECT create_(?:distributed|reference)_table\(.*\);$/gm

/** What a user types to look around. Not those that show sizes or sequences: shards and nodes have their own. */
const COMMANDS = [
  ...['\\d', '\\dt', '\\dt public.*', '\\d events', '\\d tenants', '\\d users', '\\d orders'],
  ...['\\d countries', '\\d system_settings', '\\d events_daily', '\\d campaigns', '\\d ads'],
  ...['\\d events_by_time', '\\d events_pkey', '\\di', '\\dn', '\\dv', '\\dm', '\\dT', '\\df'],
  ...['\\dp tenants', '\\dp', '\\ddp', '\\dy', '\\dRp', '\\sf lower(text)', '\\do public.*'],
  ...['\\d+ users', '\\dd', '\\des', '\\det', '\\dE', '\\d nothing', '\\dx'],
]

t.setTimeout(600_000)

const missing = hasProgram('psql', '--version') ? false : 'psql is not installed'

t.test('psql shows what it shows of one stock Postgres', { skip: missing }, async (t) => {
  const { PGLOOM_TEST_PROXY: running } = process.env
  const stock = await stockPostgres(t)
  const proxy = running ?? (await DevCluster.start(t, 2)).url
  for (const file of ['saas.sql', 'adtech.sql']) {
    const script = readFileSync(projectPath('test', 'scenarios', file), 'utf8')
    const runs = [runPsql(stock, script.replaceAll(CREATE_CALL, '')), runPsql(proxy, script)]
    for (const run of await Promise.all(runs)) t.equal(run.code, 0, `${file}: ${run.stderr}`)
  }
  for (const command of COMMANDS) {
    const script = `\\pset tuples_only off\n${command}\n`
    const [expected, got] = await Promise.all([runPsql(stock, script), runPsql(proxy, script)])
    t.same(lines(got.stdout), lines(expected.stdout), command)
    t.equal(got.stderr, expected.stderr, `${command}: messages`)
  }
})

function lines(text: string): string[] {
  return text.split('\n')
}
