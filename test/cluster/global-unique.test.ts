import pg from 'pg'
import t from 'tap'
import { valueOn } from '../support/node-urls.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
const WAITING = 'SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted'
const OURS = `SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgloom_unique')
  + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'pgloom_unique')`
const DUPLICATE = {
  code: '23505',
  message: 'duplicate key value violates unique constraint "accounts_email_key"',
  schema: 'public',
  table: 'accounts',
  constraint: 'accounts_email_key',
  where: undefined,
}

t.setTimeout(600_000)

t.test('global unique indexes', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const [proxy, other] = [await cluster.startProxy(), await cluster.startProxy()]
  const client = new pg.Client(proxy.url)
  await client.connect()
  const [a, b] = [await RawClient.connect(proxy.url), await RawClient.connect(other.url)]
  t.teardown(async () => {
    a.close()
    b.close()
    await client.end()
  })
  await a.run('SET pgloom.global_unique_indexes = on')

  await t.test('only where asked for', async (t) => {
    await a.run(
      'CREATE TABLE accounts (tenant int, id bigserial PRIMARY KEY, email text UNIQUE, note text)',
    )
    await t.rejects(client.query("SELECT create_distributed_table('accounts', 'tenant')"), {
      code: '0A000',
      message: 'cannot create constraint on "accounts"',
    })
    await a.run(
      "INSERT INTO accounts (tenant, email) SELECT g, 'old' || g FROM generate_series(1, 20) g",
    )
    await a.run("SELECT create_distributed_table('accounts', 'tenant', shard_count => 6)")
    await until('all know', DEADLINE_MS, async () => {
      return (await b.simple('SELECT count(*) FROM accounts')).results[0]?.rows[0]?.[0] === '20'
    })
    await t.rejects(client.query('CREATE UNIQUE INDEX plain ON accounts (note)'), { code: '0A000' })
    await t.rejects(client.query('ALTER TABLE accounts ADD UNIQUE (note)'), { code: '0A000' })
  })

  await t.test('rows of one statement that meet others after each other', async (t) => {
    await a.run(`CREATE TABLE met (k int, code text UNIQUE, n int);
      SELECT create_distributed_table('met', 'k', shard_count => 6);
      INSERT INTO met SELECT g, 'c' || g, 0 FROM generate_series(1, 12) g`)
    const chain = (
      action: string,
    ) => `WITH first AS (INSERT INTO met VALUES (101, 'c1', 1), (102, 'c2', 1)
        ON CONFLICT (code) DO NOTHING RETURNING k),
      second AS (INSERT INTO met SELECT g, 'c' || (g - 200), 2 FROM generate_series(203, 206) g
        WHERE NOT EXISTS (SELECT FROM first) ON CONFLICT (code) DO NOTHING RETURNING k)
      INSERT INTO met SELECT g, 'c' || (g - 300), 3 FROM generate_series(307, 310) g
        WHERE NOT EXISTS (SELECT FROM second) AND NOT EXISTS (SELECT FROM first) ON CONFLICT (code) ${action}`
    const tag = async (sql: string) => (await a.run(sql)).results.at(-1)?.tag
    t.equal(await tag(chain('DO NOTHING')), 'INSERT 0 0')
    t.equal(await tag(chain('DO UPDATE SET n = 7')), 'INSERT 0 4')
    t.equal(await a.value('SELECT sum(n) FROM met'), '28')
    const random = `INSERT INTO met SELECT 400 + g, 'c' || 1 + floor(random() * 12), 0 FROM generate_series(1, 3) g ON CONFLICT (code) DO NOTHING`
    for (const _ of [1, 2, 3, 4]) t.equal(await tag(random), 'INSERT 0 0', 'new ones in each try')
    t.equal(await a.value('SELECT count(*) FROM met'), '12')
    await a.run('DROP TABLE met')
  })

  await t.test('the error is that of one index', async (t) => {
    const insert = 'INSERT INTO accounts (tenant, email) VALUES ($1, $2) RETURNING id'
    await t.rejects(client.query(insert, [99, 'old7']), {
      ...DUPLICATE,
      detail: 'Key (email)=(old7) already exists.',
    })
    t.match((await client.query(insert, [99, 'new'])).rows, [{ id: /\d/ }])
    await client.query('PREPARE p AS INSERT INTO accounts (tenant, email) VALUES ($1, $2)')
    await t.rejects(client.query("EXECUTE p(3, 'new')"), DUPLICATE)
    await client.query('BEGIN')
    await client.query('SAVEPOINT s')
    await t.rejects(client.query("UPDATE accounts SET email = 'old1' WHERE tenant = 99"), DUPLICATE)
    await t.rejects(client.query('SELECT 1'), { code: '25P02' })
    await client.query(
      "ROLLBACK TO s; UPDATE accounts SET email = 'newer' WHERE tenant = 99; COMMIT",
    )
    await client.query(insert, [98, 'new'])
  })

  await t.test('who puts the same key waits', async (t) => {
    await a.run("BEGIN; INSERT INTO accounts (tenant, email) VALUES (1, 'both')")
    const second = b.simple("INSERT INTO accounts (tenant, email) VALUES (2, 'both')")
    await untilOneWaits(cluster)
    await a.run('ROLLBACK')
    t.equal((await second).error, undefined)
    await a.run("BEGIN; DELETE FROM accounts WHERE email = 'both'")
    const third = b.simple("INSERT INTO accounts (tenant, email) VALUES (3, 'both')")
    await untilOneWaits(cluster)
    await a.run('COMMIT')
    t.equal((await third).error, undefined)
    await a.run("BEGIN; INSERT INTO accounts (tenant, email) VALUES (4, 'once')")
    const fourth = b.simple("INSERT INTO accounts (tenant, email) VALUES (5, 'once')")
    await untilOneWaits(cluster)
    await a.run('COMMIT')
    t.equal((await fourth).error?.sqlState, '23505')
  })

  await t.test('a deadlock of a key and a row is found', async (t) => {
    await a.run("BEGIN; UPDATE accounts SET note = 'a' WHERE tenant = 7")
    await b.run("BEGIN; INSERT INTO accounts (tenant, email) VALUES (6, 'knot')")
    const first = a.simple("INSERT INTO accounts (tenant, email) VALUES (8, 'knot')")
    await untilOneWaits(cluster)
    const second = b.simple("UPDATE accounts SET note = 'b' WHERE tenant = 7")
    // whoever is refused lets the other go on
    const errors = await Promise.all(
      [first, second].map(async (answer, at) => {
        const { error } = await answer
        await (at === 0 ? a : b).simple('ROLLBACK')
        return error?.sqlState
      }),
    )
    t.same(errors.sort(), ['40P01', undefined])
  })

  await t.test('what is written past the proxy is not committed', async (t) => {
    const [, worker = ''] = cluster.nodeUrls
    const node = await RawClient.connect(worker)
    const [shard] = (
      await node.run(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'accounts' AND schemaname LIKE 'pgloom_%'",
      )
    ).results[0]?.rows[0] ?? ['']
    for (const write of [
      `INSERT INTO ${shard}.accounts VALUES (1, 1000, 'past')`,
      `TRUNCATE ${shard}.accounts`,
      `SET session_replication_role = replica; INSERT INTO ${shard}.accounts VALUES (1, 1001, 'past')`,
    ]) {
      t.equal((await node.simple(write)).error?.sqlState, '40001', write)
    }
    node.close()
  })

  await t.test('privileges', async (t) => {
    for (const url of cluster.nodeUrls) {
      const node = await RawClient.connect(url)
      await node.run('CREATE ROLE guest LOGIN; CREATE ROLE stranger')
      node.close()
    }
    await a.run(
      'GRANT INSERT ON accounts TO guest; GRANT USAGE ON SEQUENCE accounts_id_seq TO guest',
    )
    const guest = await RawClient.connect(proxy.url.replace('//app@', '//guest@'))
    const insert = (email: string) =>
      `INSERT INTO accounts (tenant, id, email) VALUES (9, 70, '${email}')`
    t.equal((await guest.simple(insert('old9'))).error?.sqlState, '23505')
    t.equal((await guest.simple(insert('by guest'))).error, undefined)
    guest.close()
    const id = await a.value(
      "SELECT indexid FROM pgloom.pg_dist_global_index WHERE indexname = 'accounts_email_key'",
    )
    const [coordinator = ''] = cluster.nodeUrls
    const forging = await RawClient.connect(coordinator)
    await forging.run('SET ROLE stranger')
    const forge = `SELECT pgloom_unique.apply_${id}(false, '{}', '{(forged)}')`
    t.equal((await forging.simple(forge)).error?.sqlState, '42501')
    const look = `SELECT * FROM pgloom_unique.entries_${id}`
    t.equal((await forging.simple(look)).error?.sqlState, '42501')
    forging.close()
  })

  await t.test('many pages', async (t) => {
    await a.run('CREATE TABLE many (k int, v int UNIQUE, w numeric)')
    await a.run("SELECT create_distributed_table('many', 'k', shard_count => 4)")
    await a.run('INSERT INTO many SELECT g, g, g FROM generate_series(1, 34000) g')
    const rows = (from: number) =>
      Buffer.from(Array.from({ length: 100 }, (_, i) => `${i}\t${from + i}\t1\n`).join(''))
    t.equal((await a.copyIn('COPY many FROM STDIN', [rows(34_001)])).error, undefined)
    t.equal((await a.copyIn('COPY many FROM STDIN', [rows(34_100)])).error?.sqlState, '23505')
    await a.run('UPDATE many SET v = -v')
    await a.run('DELETE FROM many WHERE v < -2000')
    t.equal(await a.value('SELECT count(*) FROM many'), '2000')
    const id = await a.value(
      "SELECT indexid FROM pgloom.pg_dist_global_index WHERE indexname = 'many_v_key'",
    )
    t.equal(
      await a.value(`SELECT count(*) || ' ' || sum(c1) FROM pgloom_unique.entries_${id}`),
      `2000 ${-(2000 * 2001) / 2}`,
    )
    await a.run('UPDATE many SET w = 5 WHERE v = -1')
    t.equal(
      (await a.simple('CREATE UNIQUE INDEX twice ON many (w)')).error?.message,
      'could not create unique index "twice"',
    )
    await a.run('BEGIN; DELETE FROM many WHERE w = 5; CREATE UNIQUE INDEX once ON many (w)')
    t.equal((await a.simple('INSERT INTO many VALUES (7, 7, 9.00)')).error?.sqlState, '23505')
    await a.run('ROLLBACK; DROP TABLE many')
  })

  await t.test('columns and indexes change', async (t) => {
    await a.run(
      'ALTER TABLE accounts RENAME email TO mail; ALTER INDEX accounts_email_key RENAME TO mails',
    )
    t.match((await a.simple("INSERT INTO accounts (tenant, mail) VALUES (50, 'old9')")).error, {
      sqlState: '23505',
      message: 'duplicate key value violates unique constraint "mails"',
    })
    await a.run('ALTER TABLE accounts ALTER mail TYPE varchar(40)')
    t.equal(
      (await a.simple("INSERT INTO accounts (tenant, mail) VALUES (50, 'old9')")).error?.sqlState,
      '23505',
    )
    t.equal(
      (
        await a.simple(
          'BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE UNIQUE INDEX r ON accounts (note)',
        )
      ).error?.sqlState,
      '0A000',
    )
    await a.run('ROLLBACK')
    for (const form of ['ADD UNIQUE (note) DEFERRABLE', 'ADD UNIQUE NULLS NOT DISTINCT (note)']) {
      t.equal((await a.simple(`ALTER TABLE accounts ${form}`)).error?.sqlState, '0A000', form)
    }
    await a.run('ALTER TABLE accounts DROP CONSTRAINT mails')
    await a.run("INSERT INTO accounts (tenant, mail) VALUES (50, 'old9')")
    await a.run('DROP TABLE accounts')
    for (const url of cluster.nodeUrls) t.equal(await valueOn(url, OURS), '0', 'nothing is left')
  })
})

async function untilOneWaits(cluster: ServeCluster): Promise<void> {
  await until('one waits', DEADLINE_MS, async () => {
    const counts = await Promise.all(cluster.nodeUrls.map((url) => valueOn(url, WAITING)))
    return counts.some((count) => Number(count) > 0)
  })
}
