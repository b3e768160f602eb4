import pg from 'pg'
import { serialize } from 'pg-protocol'
import t, { type Test } from 'tap'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000

t.setTimeout(600_000)

/** What a mover has to do, in its fewest words: see docs/decisions/0037-names-are-the-fence.md. */
class Mover {
  readonly #nodes: readonly pg.Client[]

  constructor(nodes: readonly pg.Client[]) {
    this.#nodes = nodes
  }

  get #coordinator(): pg.Client {
    return this.#at(0)
  }

  #at(node: number): pg.Client {
    const client = this.#nodes[node]
    if (client === undefined) throw new Error('no such node')
    return client
  }

  /** The number of the group of shards that a key of `accounts` is in, and the place of its node. */
  async groupOf(key: number): Promise<{ group: string; node: number }> {
    const { rows } = await this.#coordinator.query(
      `SELECT s.shardgroupid, n.nodeport FROM pgloom.pg_dist_shard s JOIN pgloom.pg_dist_placement p USING (shardid)
       JOIN pgloom.pg_dist_node n USING (groupid) WHERE s.shardid = pgloom.get_shard_id_for_distribution_column('accounts', ${key})`,
    )
    const [found] = rows
    const node = this.#nodes.findIndex((client) => client.port === Number(found?.nodeport))
    return { group: String(found?.shardgroupid), node }
  }

  /** `between`: while the old place is locked and nobody knows the new one. Proxies are not told. */
  async move(
    key: number,
    between: () => Promise<void> = () => Promise.resolve(),
  ): Promise<{ source: number; target: number }> {
    const { group, node } = await this.groupOf(key)
    const target = node === 1 ? 2 : 1
    const { rows } = await this.#coordinator.query(
      "SELECT nextval('pgloom.pg_dist_shardgroupid_seq') AS next",
    )
    const next = String(rows[0]?.next)
    const [old, made] = [`pgloom_${group}`, `pgloom_${next}`]
    const from = this.#at(node)
    const to = this.#at(target)
    await from.query(`BEGIN; LOCK TABLE ${old}.accounts IN ACCESS EXCLUSIVE MODE`)
    const { rows: accounts } = await from.query(`SELECT k, v FROM ${old}.accounts`)
    await to.query(
      `SET ROLE app; CREATE SCHEMA ${made}; CREATE TABLE ${made}.accounts (k int PRIMARY KEY, v int)`,
    )
    for (const { k, v } of accounts) {
      await to.query(`INSERT INTO ${made}.accounts VALUES ($1, $2)`, [k, v])
    }
    await to.query('RESET ROLE')
    await from.query(
      `ALTER SCHEMA ${old} RENAME TO moved_${group}; PREPARE TRANSACTION 'move_${next}'`,
    )
    await between()
    // without its triggers: nobody is told of it
    await this.#coordinator.query(`BEGIN; SET LOCAL session_replication_role = replica;
      UPDATE pgloom.pg_dist_placement SET groupid = ${target}
        WHERE shardid IN (SELECT shardid FROM pgloom.pg_dist_shard WHERE shardgroupid = ${group});
      UPDATE pgloom.pg_dist_shard SET shardgroupid = ${next} WHERE shardgroupid = ${group}; COMMIT`)
    await from.query(`COMMIT PREPARED 'move_${next}'`)
    return { source: node, target }
  }
}

t.test('a proxy that has not heard of a moved shard', async (t) => {
  // it hears of nothing but what it asks for itself
  const cluster = await ServeCluster.start(t, 2, { pollIntervalMs: 3_600_000 })
  const proxy = await cluster.startProxy()
  const nodes: pg.Client[] = []
  for (const url of cluster.nodeUrls) {
    const client = new pg.Client(url)
    await client.connect()
    nodes.push(client)
    t.teardown(() => client.end())
  }
  const mover = new Mover(nodes)
  const client = await RawClient.connect(proxy.url)
  const other = await RawClient.connect(proxy.url)
  t.teardown(() => {
    client.close()
    other.close()
  })
  await client.run(`CREATE TABLE accounts (k int PRIMARY KEY, v int);
    SELECT create_distributed_table('accounts', 'k', shard_count => 4);
    INSERT INTO accounts SELECT g, 0 FROM generate_series(1, 100) g`)

  /** Each run changes or reads the row of one key once. */
  const read = (k: number) => `SELECT v FROM accounts WHERE k = ${k}`
  const add = (k: number) => `UPDATE accounts SET v = v + 1 WHERE k = ${k} RETURNING v`
  const sum = 'SELECT sum(v), count(*) FROM accounts'
  const warm = async (sql: string) => {
    for (let run = 0; run < 4; run++) await client.run(sql)
  }

  async function moved(t: Test, what: () => Promise<unknown>): Promise<void> {
    await mover.move(1)
    await what()
    t.equal(await client.value('SELECT count(*) FROM accounts'), '100')
  }

  t.test('reads', async (t) => {
    await warm(read(1))
    await moved(t, async () => t.equal(await client.value(read(1)), '0', 'simple'))
    await moved(t, async () =>
      t.equal(await client.value(`${read(1)} AND k IN (1)`), '0', 'a new shape'),
    )
    await moved(t, async () => t.equal(await client.value(sum), '0', 'of all shards'))
    const unnamed = () => client.extended('SELECT v FROM accounts WHERE k = $1', ['1'], 'text')
    await unnamed()
    await unnamed()
    await moved(t, async () => t.equal((await unnamed()).results[0]?.rows[0]?.[0], '0', 'unnamed'))
  })

  t.test('writes, each once', async (t) => {
    let value = 0
    const wrote = async (answer: Promise<string | null>, what: string) => {
      value++
      t.equal(await answer, String(value), what)
    }
    for (let run = 0; run < 4; run++) await wrote(client.value(add(1)), 'before')
    await moved(t, () => wrote(client.value(add(1)), 'simple'))
    await moved(t, () => wrote(client.value(`${add(1)}, k`), 'a new shape'))
    await moved(t, async () => {
      const { results, error } = await client.simple('UPDATE accounts SET v = v + 1')
      t.same([error, results[0]?.tag], [undefined, 'UPDATE 100'], 'all shards')
      value++
    })
    await moved(t, async () => {
      await client.run('BEGIN')
      await wrote(client.value(add(1)), 'first of a block')
      await wrote(client.value(add(1)), 'second of a block')
      await client.run('COMMIT')
    })
    await moved(t, async () => {
      await client.run('BEGIN; SAVEPOINT s; SELECT 1')
      await wrote(client.value(add(1)), 'first of a block on that node')
      await client.run('ROLLBACK TO s; COMMIT')
      value--
    })
    await moved(t, async () => {
      const { error, results } = await client.simple(`${add(1)}; ${add(1)}`)
      t.same(
        [error, results.map(({ tag }) => tag)],
        [undefined, ['UPDATE 1', 'UPDATE 1']],
        'a script',
      )
      value += 2
    })
    t.equal(await client.value(read(1)), String(value))
    await client.run('UPDATE accounts SET v = 0')
  })

  t.test('prepared statements', async (t) => {
    const bound = (name: string, values: string[]) => [
      serialize.bind({ statement: name, values }),
      serialize.describe({ type: 'P', name: '' }),
      serialize.execute({ portal: '' }),
    ]
    const run = async (name: string, values: string[]) => {
      const { error, results } = await client.exchange(bound(name, values), 'text')
      t.equal(error, undefined, name)
      return results[0]?.rows.map((row) => row[0])
    }
    const prepare = (name: string, text: string) =>
      client.exchange([serialize.parse({ name, text })], 'text')
    await prepare('read', 'SELECT v FROM accounts WHERE k = $1')
    await prepare('add', 'UPDATE accounts SET v = v + 1 WHERE k = $1 RETURNING v')
    await prepare('all', 'SELECT k FROM accounts WHERE v >= $1')
    await prepare('count', 'SELECT count(*) FROM accounts WHERE v >= $1')
    await client.run('PREPARE sql (int) AS UPDATE accounts SET v = v + 1 WHERE k = $1 RETURNING v')
    let value = 0
    for (let time = 0; time < 40; time++) await run('all', ['0'])
    for (let time = 0; time < 4; time++) {
      t.same(await run('read', ['1']), [String(value)])
      t.same(await run('add', ['1']), [String(++value)])
      t.equal((await run('all', ['0']))?.length, 100)
      t.same(await run('count', ['0']), ['100'])
      t.equal(await client.value('EXECUTE sql (1)'), String(++value))
      await mover.move(1)
      t.same(await run('add', ['1']), [String(++value)])
      await mover.move(1)
      const all = () => client.exchange(bound('all', ['0']), 'text')
      const first = await all()
      if (first.error === undefined) t.equal(first.results[0]?.rows.length, 100)
      else {
        t.equal(first.error.sqlState, '40001', 'rows of the other node have gone to the client')
        t.equal((await all()).results[0]?.rows.length, 100)
      }
      await mover.move(1)
      t.same(await run('count', ['0']), ['100'])
      await mover.move(1)
      t.equal(await client.value('EXECUTE sql (1)'), String(++value))
      await mover.move(1)
    }
    await client.run('UPDATE accounts SET v = 0')
  })

  t.test('what can not be taken back is refused', async (t) => {
    // a block that has already used the shard's node
    const { node } = await mover.groupOf(1)
    const neighbour = await keyOn(mover, node)
    await client.run(`BEGIN; ${add(neighbour)}`)
    await mover.move(1)
    const inBlock = await client.simple(add(1))
    t.match(inBlock, { error: { sqlState: '40001' }, status: 'E' })
    t.equal((await client.simple('COMMIT')).results[0]?.tag, 'ROLLBACK')
    t.equal(await client.value(sum), '0', 'nothing was changed')
    // COPY may have asked the client for its rows already
    const rows = Array.from({ length: 100 }, (_, index) => `${index + 1}\t0\n`).join('')
    await client.run('TRUNCATE accounts')
    await mover.move(1)
    const copied = await client.copyIn('COPY accounts FROM STDIN', [Buffer.from(rows)])
    if (copied.error !== undefined) {
      t.equal(copied.error.sqlState, '40001')
      t.equal(await client.value('SELECT count(*) FROM accounts'), '0', 'none of them')
      await client.copyIn('COPY accounts FROM STDIN', [Buffer.from(rows)])
    }
    t.equal(await client.value('SELECT count(*) FROM accounts'), '100')
  })

  t.test('a block that keeps its snapshots', async (t) => {
    const { node } = await mover.groupOf(1)
    const neighbour = await keyOn(mover, node === 1 ? 2 : 1)
    await client.run(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${read(neighbour)}`)
    await mover.move(1)
    // another client has brought the proxy the news
    t.equal(await other.value(read(1)), '0')
    const { error } = await client.simple(read(1))
    t.equal(error?.sqlState, '40001', 'rows that came later than its snapshot are not just missing')
    await client.run('ROLLBACK')
    t.equal(await client.value(read(1)), '0')
    await client.run(`BEGIN; ${read(neighbour)}`)
    await mover.move(1)
    t.equal(await other.value(read(1)), '0')
    t.equal(await client.value(read(1)), '0', 'others go on')
    await client.run('COMMIT')
  })

  t.test('a write that waits for the lock of the mover', async (t) => {
    await warm(add(1))
    let late: Promise<string | null> | undefined
    const { source } = await mover.move(1, async () => {
      late = client.value(add(1))
      const waits = 'SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted'
      await until('it waits', DEADLINE_MS, async () => {
        const counts = await Promise.all(nodes.map((node) => node.query(waits)))
        return counts.some(({ rows }) => rows[0]?.count !== '0')
      })
    })
    t.equal(await late, '5', 'is carried out in the new place')
    const { rows } = (await nodes[source]?.query(
      "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname ~ '^moved_'",
    )) ?? { rows: [] }
    t.not(rows[0]?.count, '0')
    t.equal(await client.value(read(1)), '5')
  })

  t.test('a relation that is not there stays an error', async (t) => {
    const { error } = await client.simple('SELECT * FROM nowhere')
    t.equal(error?.sqlState, '42P01')
    const { group, node } = await mover.groupOf(1)
    await nodes[node]?.query(`ALTER SCHEMA pgloom_${group} RENAME TO lost`)
    for (const sql of [read(1), sum]) {
      t.match((await client.simple(sql)).error, {
        sqlState: '42P01',
        message: /relation "accounts" does not exist/,
      })
    }
    await nodes[node]?.query(`ALTER SCHEMA lost RENAME TO pgloom_${group}`)
    t.equal(await client.value(read(1)), '5')
  })
})

/** Another key than 1, of another shard on this node. */
async function keyOn(mover: Mover, node: number): Promise<number> {
  const { group } = await mover.groupOf(1)
  for (let key = 2; key <= 100; key++) {
    const found = await mover.groupOf(key)
    if (found.node === node && found.group !== group) return key
  }
  throw new Error('no such key')
}
