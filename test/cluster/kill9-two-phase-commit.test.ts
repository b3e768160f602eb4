import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { untilNothingPrepared } from '../support/node-urls.ts'
import type { PgloomProcess } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const KILLS = 3
const CLIENTS = 8
const ACCOUNTS = 64
const START_BALANCE = 100
/** 10 s on a machine with nothing else to do. */
const RECOVERY_MS = 60_000
const CUT_OFF = /closed the connection|ECONNRESET|EPIPE/
const LOAD_DEADLINE_MS = 120_000
/** Up to so long after the first transfer of each client, the proxy is killed. */
const MORE_LOAD_MS = 600

t.setTimeout(600_000)

t.test('transfers over two nodes survive kill -9 of the proxy', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  let proxy = await cluster.startProxy()
  await createAccounts(proxy.url)
  const acknowledged: string[] = []

  for (let round = 0; round < KILLS; round++) {
    const failures = await runUntilKilled(proxy, round, acknowledged)
    t.same(failures, [], 'clients end with their connection only')
    proxy = await cluster.startProxy()
    await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
    t.pass(`round ${round}: nothing prepared is left (${acknowledged.length} transfers so far)`)
    await check(t, proxy.url, acknowledged)
  }
  t.ok(acknowledged.length > KILLS, 'there was load')
})

async function createAccounts(url: string): Promise<void> {
  const client = await RawClient.connect(url)
  await client.run('CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)')
  await client.run(
    'CREATE TABLE journal (account int, transfer text, amount int, PRIMARY KEY (account, transfer))',
  )
  await client.run(`SELECT create_distributed_table('accounts', 'id')`)
  await client.run(`SELECT create_distributed_table('journal', 'account')`)
  await client.run(
    `INSERT INTO accounts SELECT g, ${START_BALANCE} FROM generate_series(1, ${ACCOUNTS}) g`,
  )
  client.close()
}

/** Gives what ended clients before the kill did. */
async function runUntilKilled(
  proxy: PgloomProcess,
  round: number,
  acknowledged: string[],
): Promise<string[]> {
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = await RawClient.connect(proxy.url)
    for (let number = 0; ; number++) {
      const transfer = `${round}/${index}/${number}`
      await run(client, transfer)
      acknowledged.push(transfer)
    }
  })
  const ended = Promise.allSettled(clients)
  const wanted = acknowledged.length + CLIENTS
  await until('transfers', LOAD_DEADLINE_MS, async () => acknowledged.length >= wanted)
  await delay(MORE_LOAD_MS * Math.random())
  await proxy.kill()
  return (await ended)
    .map((end) => (end.status === 'rejected' ? String(end.reason) : 'ended'))
    .filter((reason) => !CUT_OFF.test(reason))
}

/** Accounts in ascending order: two transfers then never wait for each other in a circle. */
async function run(client: RawClient, transfer: string): Promise<void> {
  const first = 1 + Math.floor(Math.random() * (ACCOUNTS - 1))
  const second = first + 1 + Math.floor(Math.random() * (ACCOUNTS - first))
  const amount = 1 + Math.floor(Math.random() * 9)
  await client.run('BEGIN')
  for (const [account, sum] of [
    [first, -amount],
    [second, amount],
  ]) {
    await client.run(`UPDATE accounts SET balance = balance + ${sum} WHERE id = ${account}`)
    await client.run(`INSERT INTO journal VALUES (${account}, '${transfer}', ${sum})`)
  }
  const { results } = await client.run('COMMIT')
  if (results[0]?.tag !== 'COMMIT') throw new Error(`${transfer}: ${results[0]?.tag}`)
}

async function check(t: Test, url: string, acknowledged: readonly string[]): Promise<void> {
  const client = await RawClient.connect(url)
  const sum = await client.value('SELECT sum(balance) FROM accounts')
  t.equal(Number(sum), ACCOUNTS * START_BALANCE, 'no money is lost or made')
  const balances = await pairs(client, 'SELECT id, balance FROM accounts')
  const journal = await pairs(client, 'SELECT account, sum(amount) FROM journal GROUP BY account')
  const wrong = [...balances].filter(
    ([id, balance]) => balance !== START_BALANCE + (journal.get(id) ?? 0),
  )
  t.same(wrong, [], 'each balance is what its journal says')
  const halves = await pairs(
    client,
    'SELECT transfer, count(*) FROM journal GROUP BY transfer HAVING count(*) <> 2 OR sum(amount) <> 0',
  )
  t.same([...halves], [], 'no transfer is half done')
  const done = await pairs(client, 'SELECT DISTINCT transfer, 1 FROM journal')
  const lost = acknowledged.filter((transfer) => !done.has(transfer))
  t.same(lost, [], 'every acknowledged transfer is there')
  client.close()
}

async function pairs(client: RawClient, sql: string): Promise<Map<string, number>> {
  const { results } = await client.run(sql)
  return new Map((results[0]?.rows ?? []).map(([key, value]) => [key ?? '', Number(value)]))
}
