import { serialize } from 'pg-protocol'
import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

t.setTimeout(600_000)

t.test('ProxySQL 3.0.12: what was answered in part is not sent again', async (t) => {
  const stock = await stockPostgres(t)
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, 1))
  const [direct, client] = [await RawClient.connect(stock), await RawClient.connect(url.href)]
  t.teardown(() => {
    direct.close()
    client.close()
  })
  await direct.run('CREATE TABLE seen (k int); CREATE TABLE written (k int)')
  const read = () => client.extended('SELECT * FROM seen', [], 'text')
  await read()
  await read()

  await direct.run('ALTER TABLE seen ADD COLUMN a int')
  const alone = await read()
  t.equal(alone.error, undefined, 'nothing had been answered: it is prepared anew')
  t.equal(alone.results[0]?.fields?.length, 2)

  for (const column of ['b', 'c', 'd']) {
    await direct.run(`TRUNCATE written; ALTER TABLE seen ADD COLUMN ${column} int`)
    client.send(
      Buffer.concat([
        serialize.parse({ text: 'INSERT INTO written VALUES (1) RETURNING k' }),
        serialize.bind({}),
        serialize.execute({}),
      ]),
    )
    const { error, status } = await read()
    t.equal(status, 'I')
    const rows = await direct.value('SELECT count(*) FROM written')
    t.equal(rows, error === undefined ? '1' : '0', `once or not at all: ${error?.sqlState}`)
  }
})
