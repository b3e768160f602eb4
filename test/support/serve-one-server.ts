import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { PgloomProcess } from './pgloom-process.ts'
import { referencePostgres, temporaryDirectory } from './postgres-cluster.ts'
import type { Teardown } from './stock-postgres.ts'

/** One Postgres, and `pgloom serve` processes that only pool its connections: quick to start, for tests of processes. */
export class ServeOneServer {
  /** The server itself, as superuser. */
  readonly direct: pg.Client
  readonly configFile: string
  readonly #t: Teardown

  private constructor(t: Teardown, direct: pg.Client, configFile: string) {
    this.#t = t
    this.direct = direct
    this.configFile = configFile
  }

  /** `settings`: further lines of the configuration in YAML. */
  static async start(t: Teardown, settings: string): Promise<ServeOneServer> {
    const { host, port } = await referencePostgres(t)
    const direct = new pg.Client({ host, port, user: 'postgres', database: 'app' })
    await direct.connect()
    t.teardown(() => direct.end())
    const directory = temporaryDirectory(t)
    const configFile = join(directory, 'pgloom.yaml')
    writeFileSync(
      configFile,
      `
http: { port: 0 }
databases: [{ name: app, host: ${host}, port: ${port} }]
auth: { type: trust }
runtime_dir: ${join(directory, 'run')}
${settings}
`,
    )
    return new ServeOneServer(t, direct, configFile)
  }

  /** Ends with the test. */
  async serve(...args: readonly string[]): Promise<PgloomProcess> {
    const started = await PgloomProcess.start({ args: ['serve', this.configFile, ...args] })
    this.#t.teardown(async () => {
      await started.stop()
    })
    return started
  }

  /** Server connections of the role `app`, by the server's own count. */
  async connections(): Promise<number> {
    const { rows } = await this.direct.query<{ count: string }>(
      `SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'`,
    )
    return Number(rows[0]?.count)
  }
}

/** Logged in as `app`; ends with the test. Losing its connection isn't an error of the test. */
export async function clientOf(t: Teardown, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end().catch(() => undefined))
  return client
}

/** The process id that the proxy gave its client for cancel requests. */
export function cancelProcessId(client: pg.Client): number {
  return (client as unknown as { readonly processID: number }).processID
}
