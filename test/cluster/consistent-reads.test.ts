import { serialize } from 'pg-protocol'
import t, { type Test } from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import {
  RECOVERY_QUERY,
  type RelayedConnection,
  type ServerRelay,
  type Watch,
} from '../support/server-relay.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
const TOTAL = 'SELECT sum(v) FROM amounts'
const REFUSED = { sqlState: '0A000', message: /a consistent read of several shards needs/ }

t.setTimeout(600_000)

t.test('pgloom.consistent_reads', async (t) => {
  const cluster = await ServeCluster.start(t, 2, { relayed: true })
  const proxies = [await cluster.startProxy(), await cluster.startProxy()] as const
  const clients = await Promise.all(
    [proxies[0], proxies[0], proxies[1]].map(({ url }) => RawClient.connect(url)),
  )
  t.teardown(() => clients.map((client) => client.close()))
  const [writer, plain, reader] = clients as [RawClient, RawClient, RawClient]
  await writer.run(`CREATE TABLE amounts (k int PRIMARY KEY, v int);
    SELECT create_distributed_table('amounts', 'k', shard_count => 8);
    INSERT INTO amounts SELECT g, 0 FROM generate_series(1, 100) g`)
  await until('the other proxy knows it', DEADLINE_MS, async () => {
    return (await reader.simple(TOTAL)).error === undefined
  })
  const [coordinator, , second] = cluster.relays
  if (coordinator === undefined || second === undefined) throw new Error('no servers')
  const recovery = new Recovery(cluster.relays)
  t.afterEach(async () => {
    await reader.simple('ROLLBACK')
    await reader.run('SET pgloom.consistent_reads = on')
  })
  await reader.run('SET pgloom.consistent_reads = on')

  /** A statement that takes the shortest way there is, once it is known to be quick. */
  const sumOfPrepared = async (): Promise<number> => {
    const frames = [serialize.bind({ statement: 'p' }), serialize.execute()]
    const { results, error } = await reader.exchange(frames, 'text')
    t.equal(error, undefined)
    return (results[0]?.rows ?? []).reduce((sum, [v]) => sum + Number(v), 0)
  }

  /** `work` begins when a commit is done on one node only; recovery finishes it meanwhile. */
  const whileHalfDone = async (
    t: Test,
    before: number,
    work: () => Promise<unknown>,
  ): Promise<void> => {
    recovery.stop()
    const held: RelayedConnection[] = []
    second.watch = (passing) => {
      if (held.length > 0 || !passing.text.startsWith('COMMIT PREPARED')) {
        return recovery.watch(passing)
      }
      held.push(passing.connection)
      return 'request'
    }
    const committing = writer.simple('UPDATE amounts SET v = v + 1')
    await until('it is done on one node', DEADLINE_MS, async () => {
      const seen = await plain.value(TOTAL)
      return seen !== `${before}` && seen !== `${before + 100}`
    })
    // while they wait, recovery finishes it
    recovery.goOn()
    await work()
    held[0]?.release()
    t.equal((await committing).error, undefined)
  }

  t.test('a commit that is done on one node only is waited for', async (t) => {
    await reader.exchange([serialize.parse({ name: 'p', text: 'SELECT v FROM amounts' })], 'text')
    await reader.exchange([serialize.describe({ type: 'S', name: 'p' })], 'text')
    await reader.run('SET pgloom.consistent_reads = off')
    for (let run = 0; run < 10; run++) t.equal(await sumOfPrepared(), 0)
    await reader.run('SET pgloom.consistent_reads = on')
    await whileHalfDone(t, 0, async () => t.equal(await sumOfPrepared(), 100))
    t.equal(await reader.value(TOTAL), '100')
  })

  t.test('so it is by each read of a block in READ COMMITTED', async (t) => {
    await reader.run('BEGIN; SELECT v FROM amounts WHERE k = 1')
    t.equal(await reader.value(TOTAL), '100')
    await whileHalfDone(t, 100, async () => t.equal(await reader.value(TOTAL), '200'))
    await whileHalfDone(t, 200, async () => t.equal(await sumOfPrepared(), 300))
    await whileHalfDone(t, 300, async () => {
      await reader.run('DECLARE c CURSOR FOR SELECT v FROM amounts')
      const { results } = await reader.simple('FETCH ALL c')
      t.equal(
        results[0]?.rows.reduce((sum, [v]) => sum + Number(v), 0),
        400,
      )
    })
    await reader.run('ROLLBACK')
    await whileHalfDone(t, 400, async () => {
      const { results, error } = await reader.simple(`SELECT 1; ${TOTAL}; ${TOTAL}`)
      t.equal(error, undefined)
      t.same(
        results.map(({ rows }) => rows[0]?.[0]),
        ['1', '500', '500'],
        'a script',
      )
    })
    await writer.run('UPDATE amounts SET v = v - 4')
  })

  t.test('a commit that is not decided is not waited for', async (t) => {
    // it would undo what nobody has decided for long
    recovery.stop()
    const held: RelayedConnection[] = []
    coordinator.watch = (passing) => {
      if (held.length > 0 || !passing.text.includes('pgloom.decide')) {
        return recovery.watch(passing)
      }
      held.push(passing.connection)
      return 'request'
    }
    const committing = writer.simple('UPDATE amounts SET v = v + 1')
    await until('it waits for the decision', DEADLINE_MS, async () => held.length > 0)
    t.equal(await reader.value(TOTAL), '100')
    held[0]?.release()
    t.equal((await committing).error, undefined)
    recovery.goOn()
    t.equal(await reader.value(TOTAL), '200')
  })

  t.test('a block of REPEATABLE READ stays where it began', async (t) => {
    for (const begin of [
      'BEGIN ISOLATION LEVEL REPEATABLE READ',
      'BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
      'BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY',
      'SET pgloom.consistent_reads = off; BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL pgloom.consistent_reads = on',
    ]) {
      await reader.run(begin)
      t.equal(await reader.value('SELECT v FROM amounts WHERE k = 1'), '2', begin)
      await writer.run('UPDATE amounts SET v = v + 1')
      t.equal(await reader.value(TOTAL), '200')
      t.equal(
        await reader.value('SELECT count(*) FROM amounts a JOIN amounts b ON a.v = b.k'),
        '100',
      )
      await reader.run('COMMIT; SET pgloom.consistent_reads = on')
      t.equal(await reader.value(TOTAL), '300')
      await writer.run('UPDATE amounts SET v = v - 1')
    }
  })

  t.test('own writes are seen', async (t) => {
    await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await reader.run('UPDATE amounts SET v = v + 1 WHERE k IN (1, 2, 3, 4)')
    t.equal(await reader.value(TOTAL), '204')
    await reader.run('ROLLBACK')
    t.equal(await reader.value(TOTAL), '200')
  })

  t.test('own writes are seen in READ COMMITTED too', async (t) => {
    await reader.run('BEGIN; UPDATE amounts SET v = v + 1 WHERE k IN (1, 2, 3, 4)')
    t.equal(await reader.value(TOTAL), '204')
    await writer.run('UPDATE amounts SET v = v + 1 WHERE k > 50')
    t.equal(await reader.value(TOTAL), '254', 'each read sees what was committed before it')
    await writer.run('UPDATE amounts SET v = v - 1 WHERE k > 50')
    await reader.run('SAVEPOINT s')
    t.match((await reader.simple('SELECT 1 / (v - v) FROM amounts')).error, { sqlState: '22012' })
    await reader.run('ROLLBACK TO s')
    t.equal(await reader.value(TOTAL), '204')
    await reader.run('ROLLBACK')
    t.equal(await reader.value(TOTAL), '200')
  })

  t.test('columns are described as ever', async (t) => {
    const sql = 'SELECT k, v, v::text AS word FROM amounts LIMIT 5'
    const expected = await plain.simple(sql)
    await reader.run('BEGIN')
    const { results } = await reader.simple(sql)
    t.equal(results[0]?.rows.length, 5)
    t.same(results[0]?.fields, expected.results[0]?.fields)
  })

  t.test('what one statement a node cannot read is refused', async (t) => {
    for (const sql of [
      'SELECT a.k FROM amounts a JOIN amounts b ON a.v = b.k',
      'SELECT k FROM amounts FOR UPDATE',
      'COPY amounts TO STDOUT',
      'COPY (SELECT k FROM amounts) TO STDOUT',
    ]) {
      await reader.run('BEGIN')
      t.match((await reader.simple(sql)).error, { ...REFUSED, message: /in several steps/ }, sql)
      await reader.run('ROLLBACK')
    }
  })

  for (const sql of [
    TOTAL,
    'SELECT k FROM amounts',
    'SELECT a.k FROM amounts a JOIN amounts b ON a.v = b.k',
    'COPY amounts TO STDOUT',
    'COPY (SELECT k FROM amounts) TO STDOUT',
    'DECLARE c CURSOR FOR SELECT k FROM amounts',
  ]) {
    t.test(`refused after older snapshots: ${sql}`, async (t) => {
      await reader.run('SET pgloom.consistent_reads = off')
      await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT v FROM amounts WHERE k = 1')
      await reader.run('SET pgloom.consistent_reads = on')
      t.match((await reader.simple(sql)).error, REFUSED)
    })
  }

  t.test('reads of one shard and writes need nothing', async (t) => {
    await reader.run('BEGIN; UPDATE amounts SET v = 2 WHERE k = 1')
    t.equal(await reader.value('SELECT v FROM amounts WHERE k = 1'), '2')
    await reader.run('UPDATE amounts SET v = 2; COMMIT')
    t.equal(await plain.value(TOTAL), '200')
  })
})

/** Of all proxies: what it asks the servers is held while it stands still. */
class Recovery {
  readonly #held: RelayedConnection[] = []
  #isStopped = false

  constructor(relays: readonly ServerRelay[]) {
    for (const relay of relays) relay.watch = this.watch
  }

  readonly watch: Watch = ({ text, connection }) => {
    if (!this.#isStopped || !text.includes(RECOVERY_QUERY)) return undefined
    this.#held.push(connection)
    return 'request'
  }

  stop(): void {
    this.#isStopped = true
  }

  goOn(): void {
    this.#isStopped = false
    for (const connection of this.#held.splice(0)) connection.release()
  }
}
