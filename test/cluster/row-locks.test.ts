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
    await lockWaiter(clients[2])
    await a.run('COMMIT')
    t.same(await waiting, ['2', '3'])
  })

  await t.test('rows of a table without a key are followed where they go', async (t) => {
    await a.run(
      `CREATE TABLE notes (id int, word text); SELECT create_distributed_table('notes', 'id');
       INSERT INTO notes SELECT g, 'word ' || g FROM generate_series(1, 20) g`,
    )
    const first = 'SELECT word FROM notes ORDER BY id LIMIT 2 FOR UPDATE'
    await a.run('BEGIN')
    t.same(await values(a, first), ['word 1', 'word 2'])
    t.same(await values(b, `${first} SKIP LOCKED`), ['word 3', 'word 4'])
    t.equal((await b.simple(`${first} NOWAIT`)).error?.sqlState, '55P03')
    t.same(
      await values(
        b,
        `SELECT word FROM notes n LEFT JOIN jobs j ON j.id = n.id AND j.id = 1
                         ORDER BY n.id LIMIT 1 FOR UPDATE OF n SKIP LOCKED`,
      ),
      ['word 3'],
    )
    await a.run(`UPDATE notes SET word = 'changed' WHERE id = 1; DELETE FROM notes WHERE id = 2`)
    await b.run('BEGIN')
    const waiting = values(b, first)
    await lockWaiter(clients[2])
    await a.run('COMMIT')
    t.same(await waiting, ['changed', 'word 3'])
    const free = await values(a, 'SELECT id FROM notes FOR UPDATE SKIP LOCKED')
    t.equal(free.length, 17, 'and no others are locked')
    await b.run('ROLLBACK')
  })

  await t.test('rows of local tables are locked together with those of shards', async (t) => {
    await a.run(
      'CREATE TABLE desk (id int PRIMARY KEY); INSERT INTO desk SELECT generate_series(3, 9)',
    )
    const both = 'SELECT jobs.id FROM jobs JOIN desk USING (id) WHERE jobs.id < 6 FOR UPDATE'
    await a.run('BEGIN')
    t.equal((await values(a, both)).length, 3)
    const free = 'SELECT id FROM jobs WHERE id BETWEEN 3 AND 6 ORDER BY id FOR UPDATE SKIP LOCKED'
    t.same(await values(b, free), ['6'])
    t.equal((await values(b, 'SELECT id FROM desk FOR SHARE SKIP LOCKED')).length, 4)
    t.same(await values(b, `${both} SKIP LOCKED`), [])
    const waiting = values(b, both)
    await lockWaiter(clients[2])
    await a.run('ROLLBACK')
    t.equal((await waiting).length, 3)
  })

  await t.test(
    'rows that are chosen by their place are left alone where others have changed them',
    async (t) => {
      const old = 'SELECT ctid FROM notes WHERE id > 10 ORDER BY id LIMIT 2'
      await a.run("BEGIN; UPDATE notes SET word = 'kept' WHERE id = 11")
      const waiting = b.run(`DELETE FROM notes WHERE ctid IN (${old})`)
      await lockWaiter(clients[2])
      await a.run('COMMIT')
      t.equal((await waiting).results[0]?.tag, 'DELETE 1')
      t.same(await values(a, 'SELECT word FROM notes WHERE id IN (11, 12)'), ['kept'])
    },
  )

  await t.test('several consumers mark the jobs they take in one statement', async (t) => {
    const take = `UPDATE jobs SET state = 'taken' WHERE id IN
      (SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED) RETURNING id`
    const taken = await Promise.all(
      clients.map(async (client) => {
        const own: (string | null)[] = []
        for (;;) {
          const ids = await values(client, take)
          if (ids.length === 0) return own
          own.push(...ids)
        }
      }),
    )
    t.equal(taken.flat().length, 19)
    t.equal(new Set(taken.flat()).size, 19)
    await a.run("UPDATE jobs SET state = 'new'")
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

async function lockWaiter(client: RawClient | undefined): Promise<void> {
  for (let isWaiting = false; !isWaiting; ) {
    const counted = await client?.run(
      `SELECT sum(result::int) FROM run_command_on_workers('SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = ''Lock''')`,
    )
    isWaiting = counted?.results[0]?.rows[0]?.[0] !== '0'
  }
}
