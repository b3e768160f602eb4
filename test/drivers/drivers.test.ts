import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { projectPath } from '../support/project.ts'
import { hasProgram } from '../support/psql.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres } from '../support/stock-postgres.ts'
import { runNodePostgres } from './node-postgres-steps.ts'
import { runPostgresJs } from './postgres-js-steps.ts'
import { type Line, readSteps, STEPS_FILE } from './steps.ts'

/** Debian's interpreter has Debian's drivers; another `python3` earlier in the path may not. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
const JDBC_JAR = '/usr/share/java/postgresql.jar'
const CLUSTER_ONLY = /^SELECT create_(?:distributed|reference)_table\(.*\);$/gm

/** However a driver's lines write it. */
const REFUSAL = /sqlState\W+0A000/
/** Answers of one driver that may be refusals. Lower it when the proxy learns more; never raise it. */
const MAX_REFUSED = 4

type Driver = {
  readonly name: string
  /** Why it can't run here. */
  readonly missing: string | false
  readonly run: (url: string) => Promise<Line[]>
}

const classes = mkdtempSync(join(tmpdir(), 'pgloom-jdbc-'))
t.teardown(() => rmSync(classes, { recursive: true, force: true }))
t.setTimeout(600_000)

const steps = readSteps()
const drivers: readonly Driver[] = [
  { name: 'node-postgres', missing: false, run: (url) => runNodePostgres(url, steps) },
  { name: 'postgres.js', missing: false, run: (url) => runPostgresJs(url, steps) },
  python('psycopg2', 'psycopg2_steps.py', 'python3-psycopg2'),
  python('psycopg', 'psycopg3_steps.py', 'python3-psycopg'),
  jdbc('JDBC, simple', 'preferQueryMode=simple'),
  jdbc('JDBC, extended', 'preferQueryMode=extended&prepareThreshold=2'),
  jdbc('JDBC, extended and binary at once', 'prepareThreshold=-1&binaryTransfer=true'),
]

t.test('drivers see one stock Postgres', async (t) => {
  const { PGLOOM_TEST_PROXY: running } = process.env
  const stock = await stockPostgres(t)
  const proxy = running ?? (await DevCluster.start(t, 2)).url
  const schema = readFileSync(projectPath('test', 'drivers', 'schema.sql'), 'utf8')
  await load(stock, [schema.replaceAll(CLUSTER_ONLY, '')])
  await load(proxy, schema.split(/;$/m))

  for (const driver of drivers) {
    await t.test(driver.name, { skip: driver.missing }, async (t) => {
      const expected = await driver.run(stock)
      const got = await driver.run(proxy)
      const different = expected.flatMap((line, index) => difference(line, got[index], index))
      const refused = got.filter((line) => REFUSAL.test(JSON.stringify(line)))
      t.ok(refused.length <= MAX_REFUSED, `${refused.length} refused`)
      t.equal(expected.length > steps.length, true, `${expected.length} answers`)
      t.same(different.slice(0, 10), [], `${different.length} different`)
      t.equal(got.length, expected.length, 'as many answers')
    })
  }
})

function difference(expected: Line, got: Line, index: number): string[] {
  const [stock, proxy] = [JSON.stringify(expected), JSON.stringify(got) ?? 'nothing']
  if (stock === proxy || REFUSAL.test(proxy)) return []
  return [`${index}: stock ${stock.slice(0, 800)}, proxy ${proxy.slice(0, 800)}`]
}

async function load(url: string, scripts: readonly string[]): Promise<void> {
  const client = await RawClient.connect(url)
  for (const script of scripts) await client.run(script)
  client.close()
}

function python(name: string, script: string, debianPackage: string): Driver {
  const isThere = hasProgram(PYTHON, '-c', `import ${name}`)
  const missing = isThere ? false : `Debian's ${debianPackage} is not installed`
  const path = projectPath('test', 'drivers', script)
  return { name, missing, run: (url) => linesOf(PYTHON, [path, url, STEPS_FILE]) }
}

function jdbc(name: string, options: string): Driver {
  const hasTools = hasProgram('javac', '-version') && existsSync(JDBC_JAR)
  const missing = hasTools ? false : `Debian's libpostgresql-jdbc-java or a JDK is not installed`
  return { name, missing, run: (url) => runJdbc(url, options) }
}

async function runJdbc(url: string, options: string): Promise<Line[]> {
  const program = join(classes, 'JdbcSteps.class')
  const source = projectPath('test', 'drivers', 'JdbcSteps.java')
  if (!existsSync(program)) await linesOf('javac', ['-d', classes, source])
  const file = join(classes, 'steps.txt')
  writeFileSync(file, steps.map((step) => stepLine(step)).join('\n'))
  const { host, pathname, username } = new URL(url)
  const address = `jdbc:postgresql://${host}${pathname}?user=${username}&${options}`
  return await linesOf('java', ['-cp', `${classes}:${JDBC_JAR}`, 'JdbcSteps', address, file])
}

/** Java reads no JSON by itself: fields in base64, separated by tabs. */
function stepLine({
  sql,
  parameters = [],
  repeat = 1,
}: ReturnType<typeof readSteps>[number]): string {
  const base64 = (text: unknown) => Buffer.from(String(text)).toString('base64')
  const values = parameters.flatMap(([type, value]) => [type, base64(value)])
  return [String(repeat), base64(sql), ...values].join('\t')
}

function linesOf(program: string, args: readonly string[]): Promise<Line[]> {
  const env = { ...process.env, NODE_OPTIONS: '', TZ: 'UTC', PYTHONIOENCODING: 'utf-8' }
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error !== null)
        reject(new Error(`${program}: ${stderr}${stdout.slice(-500)}`, { cause: error }))
      else resolve(stdout.trimEnd().split('\n'))
    })
  })
}
