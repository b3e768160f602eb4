import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { killServer } from '../support/kill-server.ts'
import { untilNothingPrepared } from '../support/node-urls.ts'
import type { PgloomProcess } from '../support/pgloom-process.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'
import { Auditor, audit, type Dice, dice, Ledger, openBank, Teller } from './bank.ts'

/** For a long run: PGLOOM_BANK_SECONDS=300 PGLOOM_BANK_SEED=7 node dist/test/cluster/bank.test.js */
const SECONDS = Number(process.env['PGLOOM_BANK_SECONDS'] ?? 8)
const SEED = Number(process.env['PGLOOM_BANK_SEED'] ?? 16)
const TELLERS = 16
const AUDITORS = 2
/** Made in all, at least. */
const TRANSFERS = 100
/** 10 s on a machine with nothing else to do. */
const RECOVERY_MS = 60_000
const QUIET_MS = 120_000
/** Between two failures, at least and at most so much more. */
const PEACE_MS = 300
const MORE_PEACE_MS = 900

t.setTimeout(SECONDS * 1000 + 600_000)

t.test('money moves while proxies, servers and connections die', async (t) => {
  const cluster = await ServeCluster.start(t, 2, { relayed: true })
  const proxies = [await cluster.startProxy(), await cluster.startProxy()]
  await openBank(proxies[0]?.url ?? '')
  const ledger = new Ledger()
  const bank = { urls: () => proxies.map(({ url }) => url) }
  const closing = new AbortController()
  const clients = [
    ...Array.from({ length: TELLERS }, (_, index) => new Teller(bank, ledger, SEED * 100 + index)),
    ...Array.from(
      { length: AUDITORS },
      (_, index) => new Auditor(bank, ledger, SEED * 100 + 50 + index),
    ),
  ].map((client) => client.run(closing.signal))

  const failures = await rage(cluster, proxies, dice(SEED))
  await until('transfers and reads go on', QUIET_MS, async () => goesOn(ledger))
  closing.abort()
  await Promise.all(clients)
  await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
  t.comment(`${SECONDS} s, seed ${SEED}, failures: ${failures.join(', ')}`)
  t.comment(ledger.summary)
  t.same(ledger.wrongReads, [], 'the total is right in every consistent read')
  t.same(await audit(proxies[0]?.url ?? '', ledger), [], 'the books are right')
  t.ok(ledger.acknowledged.length > TRANSFERS, 'transfers were made')
})

/** One failure after the other until the time is over; returns how many there were of each kind. */
async function rage(
  cluster: ServeCluster,
  proxies: PgloomProcess[],
  roll: Dice,
): Promise<readonly string[]> {
  const counts = { proxies: 0, workers: 0, coordinator: 0, connections: 0 }
  const end = performance.now() + SECONDS * 1000
  while (performance.now() < end) {
    await pause(PEACE_MS + roll(MORE_PEACE_MS))
    const kind = roll(10)
    if (kind < 3) {
      const index = roll(proxies.length)
      await proxies[index]?.kill()
      proxies[index] = await cluster.startProxy()
      counts.proxies++
    } else if (kind < 6) {
      const index = roll(cluster.servers.length)
      const server = cluster.servers[index]
      if (server === undefined) continue
      await killServer(server)
      await server.start()
      if (index === 0) counts.coordinator++
      else counts.workers++
    } else counts.connections += cutSome(cluster, roll)
  }
  return Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
}

function cutSome({ relays }: ServeCluster, roll: Dice): number {
  const connections = relays.flatMap((relay) => relay.connections)
  const cut = connections.filter(() => roll(4) === 0)
  for (const connection of cut) connection.cut()
  return cut.length
}

let before: { readonly transfers: number; readonly reads: number } | undefined

/** A transfer for each client, and some reads, since it was asked first. */
function goesOn({ acknowledged, reads }: Ledger): boolean {
  before ??= { transfers: acknowledged.length, reads }
  const isGoing = acknowledged.length >= before.transfers + TELLERS
  return isGoing && reads >= before.reads + AUDITORS && acknowledged.length > TRANSFERS
}
