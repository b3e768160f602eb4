import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const TAKE = 'SELECT id FROM jobs ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED'

t.test('row locks over several shards', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.connect(cluster.url)))
  t.teardown(() => {
    for (const client of clients) client.close()
  })
  const [a, b] = clients
  if (a === undefined || b === undefined) throw new Error('no clients')
  for (const sql of [
    'CREATE TABLE jobs (id int PRIMARY KEY, state text)',
    `SELECT create_distributed_table('jobs', 'id')`,
    `INSERT INTO jobs SELECT g, 'new' FROM generate_series(1, 20) g`,
  ]) {
    await a.run(sql)
  }

  const values = async (client: RawClient, sql: string): Promise<(string | null)[]> => {
    const { results } = await client.run(sql)
    return (results[0]?.rows ?? []).map(([value]) => value ?? null)
  }

  await t.test('each consumer gets the next free rows, and locks no others', async (t) => {
    for (const client of [a, b]) await client.run('BEGIN')
    t.same(await values(a, TAKE), ['1', '2', '3'])
    t.same(await values(b, TAKE), ['4', '5', '6'])
    t.same(await values(a, 'SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED'), ['1'])
    const free = await values(b, 'SELECT id FROM jobs FOR UPDATE SKIP LOCKED')
    t.equal(free.length, 17, 'all but those of the first')
    for (const client of [a, b]) await client.run('ROLLBACK')
  })

  await t.test('rows of joins and of reference tables are locked for all', async (t) => {
    await a.run(
      `CREATE TABLE parts (id int, n int, PRIMARY KEY (id, n)); CREATE TABLE kinds (state text PRIMARY KEY, rank int);
       SELECT create_distributed_table('parts', 'id'); SELECT create_reference_table('kinds')`,
    )
    await a.run('INSERT INTO parts SELECT g % 20 + 1, g FROM generate_series(1, 40) g')
    await a.run("INSERT INTO kinds VALUES ('new', 1), ('old', 2)")
    const join = 'SELECT id, n FROM jobs JOIN parts USING (id) ORDER BY id, n LIMIT 3 FOR UPDATE'
    await a.run('BEGIN')
    t.same(await values(a, join), ['1', '1', '2'])
    t.same(await values(b, `${join} SKIP LOCKED`), ['3', '3', '4'])
    t.equal((await b.simple(`${join} NOWAIT`)).error?.sqlState, '55P03')
    t.same(await values(b, 'SELECT n FROM parts WHERE id = 2 ORDER BY n FOR UPDATE SKIP LOCKED'), [
      '21',
    ])
    await a.run('ROLLBACK; BEGIN')
    const kind =
      'SELECT id, rank FROM jobs JOIN kinds USING (state) WHERE id = 7 FOR SHARE OF kinds'
    t.same(await values(a, kind), ['7'])
    t.equal(
      (await b.simple("SELECT * FROM kinds WHERE state = 'new' FOR UPDATE NOWAIT")).error?.sqlState,
      '55P03',
    )
    t.same(await values(b, `${kind} NOWAIT`), ['7'])
    t.same(await values(b, `${kind.replace('SHARE', 'UPDATE')} SKIP LOCKED`), [])
    await a.run("UPDATE kinds SET rank = 5 WHERE state = 'new'")
    const waiting = b.run(`BEGIN; ${kind}; ROLLBACK`)
    await a.run('COMMIT')
    t.same((await waiting).results.find(({ rows }) => rows.length > 0)?.rows, [['7', '5']])
  })

  await t.test('NOWAIT fails where another holds one of the rows', async (t) => {
    await a.run('BEGIN')
    await a.run('SELECT id FROM jobs WHERE id = 2 FOR UPDATE')
    t.same(await values(b, 'SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE NOWAIT'), ['1'])
    const { error } = await b.simple('SELECT id FROM jobs ORDER BY id LIMIT 2 FOR UPDATE NOWAIT')
    t.equal(error?.sqlState, '55P03')
    t.equal((await b.simple('SELECT id FROM jobs FOR SHARE NOWAIT')).error?.sqlState, '55P03')
    await a.run('ROLLBACK')
  })

  await t.test('who waits gets the rows as they are then', async (t) => {
    await a.run('BEGIN')
    await a.run('DELETE FROM jobs WHERE id = 1')
    const waiting = values(b, 'SELECT id FROM jobs ORDER BY id LIMIT 2 FOR UPDATE')
    const polling = clients[2]
    for (let isWaiting = false; !isWaiting; ) {
      const counted = await polling?.run(
        `SELECT sum(result::int) FROM run_command_on_workers('SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = ''Lock''')`,
      )
      isWaiting = counted?.results[0]?.rows[0]?.[0] !== '0'
    }
    await a.run('COMMIT')
    t.same(await waiting, ['2', '3'])
  })

  await t.test('a queue of several consumers gives each job once', async (t) => {
    const taken = await Promise.all(
      clients.map(async (client) => {
        const own: (string | null)[] = []
        for (;;) {
          await client.run('BEGIN')
          const ids = await values(client, TAKE)
          if (ids.length > 0) await client.run(`DELETE FROM jobs WHERE id IN (${ids.join()})`)
          await client.run('COMMIT')
          if (ids.length === 0) return own
          own.push(...ids)
        }
      }),
    )
    const all = taken
      .flat()
      .map(Number)
      .sort((left, right) => left - right)
    t.same(
      all,
      Array.from({ length: 19 }, (_, index) => index + 2),
    )
    t.equal(await a.value('SELECT count(*) FROM jobs'), '0')
  })
})
