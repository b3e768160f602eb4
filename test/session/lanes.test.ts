import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { stockPostgres } from '../support/stock-postgres.ts'
import { noTotals, runTaggedClients } from '../support/tagged-clients.ts'

t.setTimeout(600_000)

const CLIENTS = 32
const STATEMENTS = 12_000

t.test('pgagroal #142: every answer on shared connections is its own client’s', async (t) => {
  const url = new URL(await stockPostgres(t))
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 8))
  const totals = noTotals()
  await runTaggedClients(url.href, CLIENTS, STATEMENTS, totals)
  t.same(totals.wrong, [])
  t.ok(totals.errors > 0 && totals.disconnects > 0)
  t.comment(JSON.stringify(totals))
})
