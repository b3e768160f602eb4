import { readFileSync } from 'node:fs'
import { nodeUrls } from '../support/node-urls.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { projectPath } from '../support/project.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'

/** A line of a script that only a cluster understands. */
const CLUSTER_ONLY = /^SELECT create_(?:distributed|reference)_table\(.*\);$/gm

/** What a session of a real program sets, so that settings have to reach every server. */
const SESSION = `SET TimeZone = 'Europe/Amsterdam'; SET DateStyle = 'ISO, DMY'; SET IntervalStyle = 'postgres_verbose'; SET extra_float_digits = 1`

const FIXTURES = ['scenarios/saas.sql', 'scenarios/adtech.sql', 'parity/fixture.sql']

/** The same data in one stock Postgres and behind a proxy. */
export class ClusterPair {
  readonly stock: RawClient
  readonly proxy: RawClient
  readonly stockUrl: string
  readonly proxyUrl: string
  /** The transaction of a list was ended early: its other statements are to be left out. */
  isAbandoned = false

  private constructor(urls: readonly [string, string], clients: readonly [RawClient, RawClient]) {
    this.stockUrl = urls[0]
    this.proxyUrl = urls[1]
    this.stock = clients[0]
    this.proxy = clients[1]
  }

  /**
   * Starts both, without data; they end with the test. PGLOOM_TEST_PROXY and PGLOOM_TEST_STOCK (URLs of empty
   * databases) take the place of servers of our own, for instance to run a suite against a proxy under a debugger.
   * PGLOOM_TEST_SETTINGS: statements for the proxy first, such as SET pgloom.broadcast_joins = always.
   */
  static async start(t: Teardown, workers: number): Promise<ClusterPair> {
    const { PGLOOM_TEST_PROXY: running, PGLOOM_TEST_STOCK: runningStock } = process.env
    const stockUrl = await stockPostgres(t)
    const proxyUrl = running ?? (await DevCluster.start(t, workers)).url
    if (runningStock === undefined) await keepStatistics(stockUrl.replace('app@', 'postgres@'))
    if (running === undefined) await Promise.all((await nodeUrls(proxyUrl)).map(keepStatistics))
    const [stock, proxy] = await Promise.all(
      [stockUrl, proxyUrl].map((url) => RawClient.connect(url)),
    )
    if (stock === undefined || proxy === undefined) throw new Error('no client')
    t.teardown(() => {
      stock.close()
      proxy.close()
    })
    const { PGLOOM_TEST_SETTINGS: settings } = process.env
    if (settings !== undefined) await proxy.run(settings)
    return new ClusterPair([stockUrl, proxyUrl], [stock, proxy])
  }

  /** Loads scripts, else both scenarios and the fixture, then sets both sessions up. */
  async loadFixtures(files: readonly string[] = FIXTURES): Promise<void> {
    for (const file of files) {
      await loadScript(this, readFileSync(projectPath('test', file), 'utf8'))
    }
    await Promise.all([this.stock.run(SESSION), this.proxy.run(SESSION)])
  }

  async abandonTransaction(): Promise<void> {
    await Promise.all([this.stock.simple('ROLLBACK'), this.proxy.simple('ROLLBACK')])
    this.isAbandoned = true
  }
}

/** Autovacuum comes by once a minute: plans, and the order of rows where none is asked for, would depend on how long a test takes. */
async function keepStatistics(url: string): Promise<void> {
  const client = await RawClient.connect(url)
  await client.run('ALTER SYSTEM SET autovacuum = off')
  await client.run('SELECT pg_reload_conf()')
  client.close()
}

export async function loadScript({ stock, proxy }: ClusterPair, script: string): Promise<void> {
  await stock.run(stockScript(script))
  for (const statement of scriptStatements(script)) await proxy.run(statement)
}

export function stockScript(script: string): string {
  return script.replaceAll(CLUSTER_ONLY, '')
}

/** Our scripts end every statement at the end of a line: psql would send them one by one, too. */
function scriptStatements(script: string): string[] {
  return script
    .split(/;$/m)
    .filter((statement) => statement.replaceAll(/^--.*$/gm, '').trim() !== '')
}
