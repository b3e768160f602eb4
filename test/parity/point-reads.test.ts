import t from 'tap'
import type { Answer } from '../support/raw-client.ts'
import { ClusterPair } from './cluster-pair.ts'

t.setTimeout(600_000)

const FIRST_USER_OID = 16_384
/** By then a shape is kept by the servers. */
const RUNS = 8

const COLUMNS = `id int PRIMARY KEY, small int2, big int8, amount numeric(10, 2), real float4, name text, code char(5),
  short varchar(4), at timestamptz, on_day date, token uuid, feeling mood, flag bool, "any" inet, span interval`

const ROW = `g, g % 100, g * 3000000000, g / 7.0, g / 3.0, 'name ' || g, 'c' || g, 's' || g, timestamptz '2026-01-01' + g * interval '1 hour',
  date '2026-01-01' + g, ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, (enum_range(NULL::mood))[1 + g % 3], g % 2 = 0,
  inet '10.0.0.0' + g, g * interval '1 day'`

/** @ is another number in each run. */
const READS = [
  'SELECT * FROM @t WHERE id = @',
  'SELECT name, id FROM @t WHERE id = @ AND small = @',
  'SELECT name FROM @t a WHERE a.id = @ ORDER BY a.name',
  'SELECT * FROM @t WHERE id = @ LIMIT 21',
  'SELECT id FROM @t WHERE id = @ ORDER BY id LIMIT 0',
  'SELECT id FROM @t WHERE id = @ LIMIT -1',
  'SELECT id FROM @t WHERE id=@and small IS NOT NULL',
  'SELECT id FROM @t WHERE - @ = - id',
  'SELECT id FROM @t WHERE id = -@ OR id = +@',
  'SELECT id FROM @t WHERE id + 1 = @ AND big > 7',
  'SELECT id, amount FROM @t WHERE id = @ AND amount < 1000',
  'SELECT id FROM @t WHERE NOT (id <> @)',
  "SELECT id, code, short FROM @t WHERE code = 'c@' AND id = @",
  "SELECT id FROM @t WHERE short = 's@' AND id = @",
  "SELECT id, at FROM @t WHERE id = @ AND at < '2027-01-01 10:00'",
  "SELECT id, on_day FROM @t WHERE id = @ AND on_day > '01-02-2026'",
  "SELECT id, token FROM @t WHERE token = '00000000-0000-0000-0000-0000000000@0'",
  "SELECT id, feeling FROM @t WHERE feeling = 'ok' AND id = @",
  "SELECT id FROM @t WHERE name = 'name @'",
  `SELECT id FROM @t WHERE "any" = '10.0.0.@' AND span > '1 day'`,
  "SELECT id FROM @t WHERE id = '@'",
  "SELECT id FROM @t WHERE id = @ AND flag = 't'",
  "SELECT id FROM @t WHERE name = 'it''s @'",
  "SELECT id FROM @t WHERE name = 'back\\slash @' OR name = '@'",
  'SELECT a.id, b.name FROM @t a JOIN @t b ON a.id = b.id WHERE a.id = @',
  'SELECT id FROM @t WHERE small = @ AND id > 90',
  'SELECT id FROM @t WHERE small < @ AND id > 3 ORDER BY id',
  'SELECT id FROM @t WHERE big = @',
  // errors, told as of the statement as it is
  "SELECT id FROM @t WHERE id = 'x@'",
  "SELECT id FROM @t WHERE id = @ AND token = 'no uuid'",
  "SELECT id FROM @t WHERE feeling = 'unknown' AND id = @",
  'SELECT id FROM @t WHERE name = @',
  'SELECT id FROM @t WHERE id = @ AND nothing = 4',
  'SELECT id FROM nowhere WHERE id = @',
] as const

/** Over all shards, or some. */
const SCATTERED = [
  'SELECT * FROM sharded WHERE small = @',
  'SELECT id, amount, real FROM sharded WHERE amount > @.5 AND real < 30.25 ORDER BY id LIMIT 3 OFFSET 1',
  'SELECT id FROM sharded WHERE big = 3000000000 OR small = @ ORDER BY id',
  'SELECT id FROM sharded WHERE id IN (@, 7, 8) ORDER BY id',
  "SELECT id, at FROM sharded WHERE at BETWEEN '2026-01-02' AND '2026-01-03'::timestamptz AND small > @ ORDER BY at",
  "SELECT id, on_day FROM sharded WHERE on_day = date '2026-02-03' OR small = @ ORDER BY 2, 1",
  "SELECT id, on_day FROM sharded WHERE on_day = date '2026-02-03' OR small = @ ORDER BY on_day, id",
  "SELECT name FROM sharded WHERE name LIKE 'name @%' OR name ILIKE 'NAME 9_' ORDER BY name",
  'SELECT count(*), sum(big), avg(amount), min(name), max(at), bool_and(flag) FROM sharded WHERE small < @',
  'SELECT flag, count(*), count(DISTINCT code) FROM sharded WHERE small <> @ GROUP BY flag HAVING count(*) > 5 ORDER BY flag',
  'SELECT DISTINCT feeling FROM sharded WHERE small < @ ORDER BY feeling',
  'SELECT avg(amount), sum(amount), max(code) FROM sharded WHERE small > @ HAVING max(id) > 20',
  'SELECT a.id, b.name FROM sharded a JOIN sharded b ON a.id = b.id WHERE a.small = @ AND b.big > 5',
  'SELECT a.id, b.name FROM sharded a JOIN everywhere b ON a.small = b.id WHERE b.small = @',
  'SELECT a.id, b.name FROM sharded a JOIN here b ON a.small = b.id WHERE b.small = @',
  'SELECT a.id, b.id FROM sharded a JOIN sharded b ON a.small = b.id WHERE a.small = @',
  "SELECT feeling, span FROM sharded WHERE feeling = 'ok' AND small = @",
  "SELECT id FROM sharded WHERE name = 'it''s @'",
  'SELECT id FROM only_one WHERE small = @',
  // errors
  "SELECT id FROM sharded WHERE small = 'x@'",
  'SELECT id FROM sharded WHERE small = @ AND nothing = 1',
  "SELECT id FROM sharded WHERE feeling = 'unknown' OR small = @",
  'SELECT id FROM sharded WHERE small + 32750 + @ = 7 AND name = 5',
  'SELECT id FROM sharded WHERE big + 9223372036854775807 = @',
  'SELECT flag, id FROM sharded WHERE small = @ GROUP BY flag',
] as const

const SESSIONS = [
  "SET DateStyle = 'ISO, DMY'",
  "SET DateStyle = 'ISO, MDY'; SET TimeZone = 'Asia/Tokyo'",
]

async function both({ stock, proxy }: ClusterPair, sql: string): Promise<void> {
  await stock.run(sql)
  await proxy.run(sql)
}

type T = { same(found: unknown, wanted: unknown, message: string): unknown }

async function same(t: T, { stock, proxy }: ClusterPair, sql: string): Promise<void> {
  const [wanted, found] = [await stock.simple(sql), await proxy.simple(sql)]
  t.same(shown(found), shown(wanted), sql)
}

/** OIDs of user types differ between any two databases. */
function shown(answer: Answer): unknown {
  const results = answer.results.map((result) => ({
    ...result,
    fields: result.fields?.map((field) => ({
      ...field,
      typeOid: Math.min(field.typeOid, FIRST_USER_OID),
    })),
  }))
  return { ...answer, results }
}

t.test('point reads of simple clients', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await both(pair, "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
  for (const table of ['sharded', 'here', 'everywhere']) {
    await both(pair, `CREATE TABLE ${table} (${COLUMNS})`)
    await both(pair, `INSERT INTO ${table} SELECT ${ROW} FROM generate_series(1, 99) g`)
  }
  await pair.proxy.run("SELECT create_distributed_table('sharded', 'id')")
  await pair.proxy.run("SELECT create_reference_table('everywhere')")

  t.test('answer as they would have without', async (t) => {
    for (const session of SESSIONS) {
      await both(pair, session)
      for (const table of ['sharded', 'here', 'everywhere']) {
        for (const read of READS) {
          for (let run = 0; run < RUNS; run++) {
            const number = String(11 + ((run * 37) % 80))
            const sql = read.replaceAll('@t', table).replaceAll('@', number)
            await same(t, pair, sql)
          }
        }
      }
    }
  })

  t.test('over many shards, too', async (t) => {
    await both(pair, `CREATE TABLE only_one (${COLUMNS})`)
    await both(pair, `INSERT INTO only_one SELECT ${ROW} FROM generate_series(1, 99) g`)
    await pair.proxy.run("SELECT create_distributed_table('only_one', 'id', shard_count => 1)")
    for (const session of SESSIONS) {
      await both(pair, session)
      for (const read of SCATTERED) {
        for (let run = 0; run < RUNS; run++) {
          await same(t, pair, read.replaceAll('@', String(11 + ((run * 37) % 80))))
        }
      }
    }
  })

  t.test('are kept by the servers', async (t) => {
    for (let run = 0; run < RUNS; run++)
      await pair.proxy.run(`SELECT at FROM here WHERE id = ${run}`)
    const kept = await pair.proxy.value(
      "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT at FROM here WHERE id =  $1%'",
    )
    t.equal(kept, 't')
    for (let run = 0; run < RUNS; run++)
      await pair.proxy.run(`SELECT at FROM sharded WHERE small = ${run}`)
    const keptByAll = await pair.proxy.value(
      "SELECT count(*) > 0 FROM citus_stat_activity WHERE query LIKE '%sharded WHERE small =  $1%'",
    )
    t.equal(keptByAll, 't')
  })

  t.test('see what tables have become', async (t) => {
    const read = async () => {
      for (let run = 1; run <= RUNS; run++) {
        await same(t, pair, `SELECT * FROM changing WHERE id = ${run}`)
        await same(t, pair, `SELECT a FROM changing WHERE id = ${run} AND a = 'x'`)
        await same(t, pair, `SELECT * FROM changing WHERE a <> 'y' AND id < 2 AND id <> -${run}`)
      }
    }
    await both(pair, 'CREATE TABLE changing (id int PRIMARY KEY, a text)')
    await both(pair, "INSERT INTO changing SELECT g, 'x' FROM generate_series(1, 20) g")
    await read()
    await both(pair, 'ALTER TABLE changing ADD b int DEFAULT 7')
    await read()
    await both(pair, 'ALTER TABLE changing ALTER b TYPE text, ALTER a TYPE varchar(9)')
    await read()
    await pair.proxy.run("SELECT create_distributed_table('changing', 'id')")
    await read()
    await both(pair, 'ALTER TABLE changing DROP a')
    await read()
    await both(pair, 'BEGIN; ALTER TABLE changing ADD c date')
    await read()
    await both(pair, 'ROLLBACK')
    await read()
    await both(pair, 'DROP TABLE changing')
    await read()
  })

  t.test('outlive that the servers forget them', async (t) => {
    for (let run = 1; run <= 3 * RUNS; run++) {
      await same(t, pair, `SELECT name FROM here WHERE id = ${run}`)
      if (run % 5 === 0) await both(pair, 'DO $$ BEGIN DEALLOCATE ALL; END $$')
      if (run % 7 === 0) await both(pair, 'DISCARD ALL')
    }
  })
})
