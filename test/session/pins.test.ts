import t from 'tap'
import { localProxy } from '../support/local-proxy.ts'
import { RawClient } from '../support/raw-client.ts'
import { stockPostgres, type Teardown } from '../support/stock-postgres.ts'

t.setTimeout(600_000)

/** `connections`: what the proxy may hold. */
async function clients(t: Teardown, stock: string, connections: number) {
  const url = new URL(stock)
  const server = { host: url.hostname, port: Number(url.port) }
  url.port = String(await localProxy(t, server, undefined, connections))
  const one = await RawClient.connect(url.href)
  const other = await RawClient.connect(url.href)
  t.teardown(() => {
    one.close()
    other.close()
  })
  return { one, other }
}

const CODE = `
  CREATE FUNCTION make_temp() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE made (x int); END';
  CREATE FUNCTION lock_it(k int) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(k)';
  CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT 1'`

/** What takes hold, what gives up the hold again. */
const HOLDS: readonly (readonly [string, string])[] = [
  ['CREATE TEMP TABLE a (x int)', 'DROP TABLE a'],
  ['CREATE TEMP TABLE a (x int)', 'DISCARD TEMP'],
  ['CREATE TEMP TABLE a (x int)', 'DISCARD ALL'],
  ['CREATE TEMP SEQUENCE a; CREATE TEMP TABLE b (x int)', 'DROP SEQUENCE a; DROP TABLE b'],
  [
    'CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    'DROP FUNCTION pg_temp.f()',
  ],
  ['BEGIN; CREATE TEMP TABLE a (x int); COMMIT', 'BEGIN; DROP TABLE a; COMMIT'],
  ['SELECT pg_advisory_lock(1)', 'SELECT pg_advisory_unlock(1)'],
  [
    'SELECT pg_advisory_lock(1), pg_advisory_lock(1)',
    'SELECT pg_advisory_unlock(1), pg_advisory_unlock(1)',
  ],
  ['SELECT pg_try_advisory_lock(1)', 'SELECT pg_advisory_unlock_all()'],
  [
    'SELECT pg_advisory_lock(1)',
    'SELECT pg_advisory_unlock(1), 1 / (SELECT count(*) FROM pg_class WHERE false)',
  ],
  ['BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT', 'CLOSE c'],
  ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'CLOSE ALL'],
  ['SELECT make_temp()', 'DROP TABLE made'],
  ['DO $$BEGIN CREATE TABLE pg_temp.d (x int); END$$', 'DISCARD ALL'],
  ['SELECT lock_it(4)', 'SELECT pg_advisory_unlock(4)'],
  ['SELECT setseed(0.5)', 'DISCARD ALL'],
]

/** What looks as if it took hold of a connection. */
const PASSING = [
  'BEGIN; CREATE TEMP TABLE a (x int); ROLLBACK',
  'BEGIN; CREATE TEMP TABLE a (x int) ON COMMIT DROP; INSERT INTO a VALUES (1); COMMIT',
  'BEGIN; SAVEPOINT s; CREATE TEMP TABLE a (x int); ROLLBACK TO s; COMMIT',
  'CREATE TEMP TABLE a (x nonsense)',
  'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; ROLLBACK',
  'SELECT pg_advisory_unlock_all()',
  'BEGIN; SELECT pg_advisory_xact_lock(7); COMMIT',
  'SELECT harmless()',
  'BEGIN; SELECT make_temp(); ROLLBACK',
  'SELECT make_temp(), 1 / 0',
]

t.test('pins', async (t) => {
  const stock = await stockPostgres(t)
  const setup = await RawClient.connect(stock)
  await setup.run(CODE)
  setup.close()
  const pid = 'SELECT pg_backend_pid()'

  t.test('what a server session holds keeps it, and no longer', async (t) => {
    const { one, other } = await clients(t, stock, 2)
    const { one: lone, other: next } = await clients(t, stock, 1)
    for (const [takes, gives] of HOLDS) {
      await one.run(takes)
      t.not(await one.value(pid), await other.value(pid), `${takes} keeps its connection`)
      await one.simple(gives)
      await lone.run(takes)
      await lone.simple(gives)
      t.equal((await next.simple(pid)).error, undefined, `${gives} gives it up`)
    }
  })

  t.test('what was not, or is no more, keeps nothing', async (t) => {
    const { one, other } = await clients(t, stock, 1)
    for (const sql of PASSING) {
      await one.simple(sql)
      await one.simple('ROLLBACK')
      t.equal((await other.simple(pid)).error, undefined, sql)
    }
  })

  t.test('half of it is not enough', async (t) => {
    const { one, other } = await clients(t, stock, 2)
    await one.run('SELECT pg_advisory_lock(1), pg_advisory_lock(1)')
    await one.run('SELECT pg_advisory_unlock(1)')
    t.not(await one.value(pid), await other.value(pid))
    t.equal(await other.value('SELECT pg_try_advisory_lock(1)'), 'f')
    await one.run('SELECT pg_advisory_unlock(1)')
    await one.run('CREATE TEMP TABLE a (x int); CREATE TEMP TABLE b (x int)')
    await one.run('DROP TABLE a')
    t.equal(await one.value('SELECT count(*) FROM b'), '0')
    t.not(await one.value(pid), await other.value(pid))
  })

  t.test('what code left behind is there for the next statement', async (t) => {
    const { one, other } = await clients(t, stock, 2)
    await one.run('SELECT make_temp()')
    await other.run(pid)
    t.equal(await one.value('SELECT count(*) FROM made'), '0')
    t.equal(await other.value("SELECT to_regclass('made')"), null)
    t.equal(await one.value('SELECT count(*) FROM made'), '0')
  })

  t.test('a client that is gone leaves a clean connection behind', async (t) => {
    const { one, other } = await clients(t, stock, 1)
    await one.run('CREATE TEMP TABLE a (x int); SELECT pg_advisory_lock(3)')
    const before = await one.value(pid)
    one.close()
    t.equal(await other.value(pid), before)
    t.equal(await other.value("SELECT to_regclass('a')"), null)
    t.equal(await other.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0')
  })
})
