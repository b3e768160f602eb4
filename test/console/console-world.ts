import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { PgloomProcess } from '../support/pgloom-process.ts'
import { referencePostgres, temporaryDirectory } from '../support/postgres-cluster.ts'
import type { Teardown } from '../support/stock-postgres.ts'

/** Must never be seen. */
export const SECRET = 'keep-me-to-yourself'

export type ConsoleWorld = {
  readonly proxy: PgloomProcess
  url(user: string, database: string): string
  client(user: string, database: string): Promise<pg.Client>
}

/** `pgloom serve` with an administrator `boss`, a stats user `watcher` and one pooled database `app`. */
export async function consoleWorld(t: Teardown, processes = 1): Promise<ConsoleWorld> {
  const { host, port } = await referencePostgres(t)
  const file = join(temporaryDirectory(t), 'pgloom.yaml')
  writeFileSync(file, configOf(host, port, processes))
  const proxy = await PgloomProcess.start({ args: ['serve', file] })
  t.teardown(async () => {
    await proxy.stop()
  })
  const url = (user: string, database: string) => {
    const address = new URL(proxy.url)
    return `postgres://${user}@${address.host}/${database}`
  }
  const client = async (user: string, database: string) => {
    const made = new pg.Client(url(user, database))
    made.on('error', () => undefined)
    await made.connect()
    t.teardown(() => made.end().catch(() => undefined))
    return made
  }
  return { proxy, url, client }
}

function configOf(host: string, port: number, processes: number): string {
  return `
listen: { port: 0 }
processes: ${processes}
http: { port: 0 }
databases:
  - { name: app, host: ${host}, port: ${port}, password: ${SECRET} }
  - { name: other, host: ${host}, port: ${port}, dbname: app, user: app, pool_mode: session }
users:
  - { name: app, password: ${SECRET} }
  - { name: boss, password: ${SECRET}, server_password: ${SECRET} }
auth: { type: trust }
console: { admin_users: [boss], stats_users: [watcher] }
pool: { default_pool_size: 3, server_idle_timeout_ms: 60000 }
`
}
