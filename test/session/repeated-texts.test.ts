import pg from 'pg'
import t from 'tap'
import { ServeCluster } from '../support/serve-cluster.ts'

const REPEATS = 9

t.setTimeout(600_000)

type Answer = { readonly fields: readonly string[]; readonly rows: readonly string[] }

/** The plan of a text that comes again and again is kept: it must not outlive what it was made for. */
t.test('a text over all shards that comes again and again', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const { url } = await cluster.startProxy()
  const open = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    t.teardown(() => client.end())
    return client
  }
  const client = await open()
  await client.query('CREATE TABLE spread (k int PRIMARY KEY, v int, note text)')
  await client.query(`SELECT create_distributed_table('spread', 'k')`)
  await client.query(`INSERT INTO spread SELECT g, g % 10, 'n' || g FROM generate_series(1, 200) g`)

  const ask = async (one: pg.Client, query: pg.QueryConfig): Promise<Answer> => {
    const { rows, fields } = await one.query({ ...query, rowMode: 'array' } as pg.QueryArrayConfig)
    return {
      fields: fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`),
      rows: rows.map((row) => row.join()).sort(),
    }
  }
  /** The answers of all repeats, which must be equal. */
  const repeat = async (one: pg.Client, query: pg.QueryConfig): Promise<Answer> => {
    const first = await ask(one, query)
    for (let run = 1; run < REPEATS; run++) t.same(await ask(one, query), first)
    return first
  }
  const forms: [string, pg.QueryConfig][] = [
    ['simple', { text: 'SELECT * FROM spread WHERE v = 7' }],
    ['unnamed', { text: 'SELECT * FROM spread WHERE v = $1', values: [7] }],
    ['combined', { text: 'SELECT v % 2 AS odd, count(*), max(note) FROM spread GROUP BY 1' }],
    ['pulled', { text: 'SELECT a.k, b.k FROM spread a JOIN spread b ON a.v = b.k WHERE a.k < 20' }],
  ]

  t.test('answers as the first time, whatever form it has', async (t) => {
    for (const [name, query] of forms) {
      const { rows } = await repeat(client, query)
      t.ok(rows.length > 0, name)
    }
  })

  t.test('sees rows that are written between, and other values', async (t) => {
    const [, [, unnamed]] = forms as [unknown, [string, pg.QueryConfig]]
    await client.query(`INSERT INTO spread VALUES (1001, 7, 'new')`)
    t.equal((await repeat(client, { text: 'SELECT * FROM spread WHERE v = 7' })).rows.length, 21)
    t.equal((await repeat(client, { ...unnamed, values: [7] })).rows.length, 21)
    t.equal((await repeat(client, { ...unnamed, values: [8] })).rows.length, 20)
    const update = {
      text: 'UPDATE spread SET note = note || $1 WHERE v = 7 RETURNING k',
      values: ['x'],
    }
    t.equal((await repeat(client, update)).rows.length, 21)
    t.same((await client.query('SELECT note FROM spread WHERE k = 1001')).rows, [
      { note: `new${'x'.repeat(REPEATS)}` },
    ])
  })

  t.test('sees its own transaction', async (t) => {
    const text = 'SELECT count(*)::int FROM spread WHERE v = 7'
    await client.query('BEGIN')
    await client.query('DELETE FROM spread WHERE v = 7')
    t.same((await repeat(client, { text })).rows, ['0'])
    await client.query('ROLLBACK')
    t.same((await repeat(client, { text })).rows, ['21'])
  })

  t.test('does not stop the clock where it names the moment', async (t) => {
    await client.query('CREATE TABLE timed (k int PRIMARY KEY, at timestamptz)')
    await client.query(`SELECT create_distributed_table('timed', 'k')`)
    const other = await open()
    const text = `SELECT k FROM timed WHERE at <= 'now'`
    for (let run = 1; run <= REPEATS; run++) {
      await client.query('INSERT INTO timed VALUES ($1, clock_timestamp())', [run])
      t.equal((await ask(client, { text })).rows.length, run)
      t.equal((await ask(client, { text, name: 'moment' })).rows.length, run)
      t.equal((await ask(other, { text, name: `moment ${run}` })).rows.length, run)
      const one = { text: `${text} AND k = $1`, values: [run] }
      t.equal((await ask(client, { ...one, name: 'one' })).rows.length, 1)
      t.equal((await ask(other, { ...one, name: `one ${run}` })).rows.length, 1)
    }
  })

  t.test('is planned anew after a change of the table, the path or a temporary name', async (t) => {
    const query = { text: 'SELECT * FROM spread WHERE v = 7' }
    const other = await open()
    t.equal((await repeat(other, query)).fields.length, 3)
    await client.query('ALTER TABLE spread ADD COLUMN more int DEFAULT 5')
    t.equal((await repeat(client, query)).fields.length, 4)
    t.equal((await repeat(other, query)).fields.length, 4)
    await client.query('CREATE SCHEMA aside')
    await client.query('CREATE TABLE aside.spread (k int PRIMARY KEY, v int)')
    await client.query(`SELECT create_distributed_table('aside.spread', 'k')`)
    await client.query('INSERT INTO aside.spread VALUES (1, 7)')
    await other.query('SET search_path = aside, public')
    t.same((await repeat(other, query)).rows, ['1,7'])
    t.equal((await repeat(client, query)).fields.length, 4)
    const third = await open()
    await third.query('CREATE TEMP TABLE spread (v int)')
    t.same((await repeat(third, query)).rows, [])
    t.equal((await repeat(client, query)).rows.length, 21)
    await client.query('DROP TABLE spread CASCADE')
    const gone = await client.query(query).then(
      () => 'answered',
      (error: { code?: string }) => error.code,
    )
    t.equal(gone, '42P01')
    t.same((await repeat(other, query)).rows, ['1,7'])
  })
})
