import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runConversation } from '../support/conversation-runner.ts'
import { localProxy } from '../support/local-proxy.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

const FOLDER = 'test/conversations'

t.test('conversations are the same with stock Postgres and through the proxy', async (t) => {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  const port = await localProxy(t, server)
  const account = { user: url.username, database: url.pathname.slice(1) }
  for (const file of readdirSync(FOLDER).sort()) {
    const script = readFileSync(join(FOLDER, file), 'utf8')
    const stock = await runConversation(script, { ...server, ...account })
    const ours = await runConversation(script, { host: '127.0.0.1', port, ...account })
    t.same(ours, stock, file)
  }
})
