import pg from 'pg'
import t from 'tap'
import type { Column } from '../../lib/catalog/catalog.ts'
import { binaryKeyHasher, textKeyHasher } from '../../lib/catalog/key-bytes.ts'
import { hashKey } from '../../lib/catalog/key-value.ts'
import { hashUint32 } from '../../lib/catalog/pg-hash.ts'
import { TypeOid } from '../../lib/catalog/type-oid.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

/** Of each type: values of an integer g; how many of a thousand texts we must be able to read. */
const VALUES: readonly (readonly [type: keyof typeof TypeOid, value: string, readable: number])[] =
  [
    ['int8', '(g::int8 * 7919 * 104729 - 4e15)::int8', 1000],
    ['text', 'repeat(chr(97 + g % 26), g % 40) || g || chr(300 + g)', 1000],
    ['name', "(repeat('n', g % 60) || g % 10)::name", 1000],
    ['uuid', 'md5(g::text)::uuid', 1000],
    ['numeric', '(g - 500) * 123456.789012 ^ (g % 9 - 4)', 1000],
    ['float8', '(g - 500) / 7.0::float8', 1000],
    ['date', "date '1900-01-01' + g * 61", 1000],
    ['time', "time '00:00' + g * interval '86.4 seconds' + g * interval '1 microsecond'", 1000],
    [
      'timetz',
      "(time '00:00' + g * interval '86.4 seconds')::timetz AT TIME ZONE make_interval(mins => g - 500)",
      1000,
    ],
    ['timestamp', "timestamp '1901-01-01' + g * interval '55 days 3.000007 seconds'", 1000],
    ['timestamptz', "timestamptz '1901-01-01' + g * interval '55 days 3.000007 seconds'", 990],
    [
      'interval',
      'make_interval(months => g % 30, days => (g % 7) * 11, secs => (g % 90000) * 61.000009)',
      30,
    ],
    [
      'interval',
      'make_interval(months => 500 - g, days => g - 300, secs => (g - 600) * 61.000009)',
      0,
    ],
    ['interval', 'make_interval(days => 2147483647 - g, months => 178956970 * 12 - g)', 0],
    ['inet', "set_masklen(inet '10.0.0.0' + g * 104729, g % 33)", 1000],
    ['inet', "set_masklen(inet '2001:db8::' + g * 1047291046527::int8, g % 129)", 1000],
    ['inet', "set_masklen(inet '2001:db8:1::5:0:0' + (g % 3)::int8 * 65536, 128)", 1000],
    ['cidr', "set_masklen((inet '10.0.0.0' + g * 104729)::cidr, g % 33)", 1000],
    [
      'cidr',
      "set_masklen((inet '2001:db8:aaaa::' + g * 1047291046527::int8)::cidr, g % 129)",
      1000,
    ],
    ['macaddr', 'substr(md5(g::text), 1, 12)::macaddr', 1000],
    ['macaddr8', 'substr(md5(g::text), 1, 16)::macaddr8', 1000],
  ]

/** What is written in another way than the type prints itself. */
const WRITTEN: readonly (readonly [type: keyof typeof TypeOid, text: string])[] = [
  ['time', '04:05'],
  ['time', '23:59:59.999999'],
  ['timetz', '04:05:06Z'],
  ['timetz', '04:05:06+0530'],
  ['timetz', '04:05-08:30'],
  ['interval', '0 days'],
  ['interval', '1 year 2 mons 3 weeks 4 days 5 hours 6 mins 7 secs'],
  ['interval', '3 months'],
  ['interval', '13 minutes'],
  ['interval', '1 day'],
  ['interval', '24:00:00'],
  ['interval', '30 days 00:00:00.5'],
  ['interval', '252:00:00'],
  ['inet', '0.0.0.0'],
  ['inet', '255.255.255.255/0'],
  ['inet', '::'],
  ['inet', '::1'],
  ['inet', 'FE80::A'],
  ['inet', '1:2:3:4:5:6:7::/3'],
  ['inet', '0001:0:0:0:0:0:0:8'],
  ['cidr', '10.1.2.3'],
  ['cidr', '224.1.2.3'],
  ['cidr', '10.0.0.0/8'],
  ['cidr', '::/0'],
  ['macaddr', '08:00:2B:01:02:03'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
]

/** Left to Postgres, whether it knows them or not. */
const LEFT: readonly (readonly [type: keyof typeof TypeOid, text: string])[] = [
  ['time', '24:00:00'],
  ['time', '04:05 PM'],
  ['time', '04:05:06+02'],
  ['timetz', '04:05:06'],
  ['timetz', '04:05:06 Europe/Berlin'],
  ['timetz', '04:05:06+16'],
  ['interval', ''],
  ['interval', '-1 day'],
  ['interval', '1-2'],
  ['interval', 'P1D'],
  ['interval', '1.5 days'],
  ['interval', '1 day 2 days'],
  ['inet', '10.0.0'],
  ['inet', '10.0.0.256'],
  ['inet', '010.0.0.1'],
  ['inet', '10.0.0.1/33'],
  ['inet', '1::2::3'],
  ['inet', '1:2:3:4:5:6:7:8::'],
  ['inet', '12345::'],
  ['inet', ':::'],
  ['inet', '::ffff:10.0.0.1'],
  ['cidr', '10.0.0.1/8'],
  ['cidr', '10'],
  ['macaddr', '08002b010203'],
  ['macaddr8', '08:00:2b:01:02:03'],
  ['name', 'n'.repeat(64)],
]

function column(typeOid: number, more: Partial<Column> = {}): Column {
  return {
    name: 'key',
    attributeNumber: 1,
    typeOid,
    typeModifier: -1,
    typeName: 'any',
    collation: undefined,
    isNotNull: true,
    hasDefault: false,
    isGenerated: false,
    ...more,
  }
}

t.test('keys are hashed as the server hashes them', async (t) => {
  const client = new pg.Client({ connectionString: await stockPostgres(t) })
  await client.connect()
  t.teardown(() => client.end())
  const rowsOf = async (text: string, values: readonly string[] = []) =>
    (await client.query({ text, values: [...values], rowMode: 'array' })).rows

  for (const [type, value, readable] of VALUES) {
    await t.test(`${type}: ${value}`, async (t) => {
      await client.query("SET TimeZone = 'Europe/Amsterdam'")
      const own = column(TypeOid[type])
      const rows = await rowsOf(
        `SELECT v::text, ${type === 'text' ? 'textsend(v)' : sendOf(type)}, hash_record(ROW(v))
         FROM (SELECT (${value})::${type} AS v FROM generate_series(1, 1000) g) x`,
      )
      let read = 0
      for (const [text, binary, hash] of rows) {
        const found = hashKey(own, { text })
        if (found !== undefined) read += 1
        const bytes = Buffer.from(text)
        t.ok(found === undefined || found === hash, `${text}: ${found}, ${hash}`)
        t.equal(textKeyHasher(own, true)(bytes, 0, bytes.length), found, text)
        t.equal(hashKey(own, { binary, typeOid: own.typeOid }), hash, `${text} in binary`)
        t.equal(binaryKeyHasher(own)(binary, 0, binary.length), hash)
      }
      t.ok(read >= readable, `${read} of ${rows.length} texts were read`)
    })
  }

  await t.test('other ways to write them', async (t) => {
    for (const [type, text] of WRITTEN) {
      const rows = await rowsOf(`SELECT hash_record(ROW($1::text::${type}))`, [text])
      t.equal(hashKey(column(TypeOid[type]), { text }), rows[0]?.[0], `${type} ${text}`)
    }
    for (const [type, text] of LEFT) {
      t.equal(hashKey(column(TypeOid[type]), { text }), undefined, `${type} ${text}`)
    }
  })

  await t.test('what the column would round is left to Postgres', async (t) => {
    const typeModifier = 0
    t.equal(hashKey(column(TypeOid.time, { typeModifier }), { text: '10:11:12.5' }), undefined)
    t.equal(hashKey(column(TypeOid.interval, { typeModifier }), { text: '1 day' }), undefined)
    const host = { text: '10.0.0.1', typeOid: TypeOid.inet }
    t.equal(hashKey(column(TypeOid.cidr), host), undefined)
    t.type(hashKey(column(TypeOid.inet), { text: '10.0.0.1', typeOid: TypeOid.cidr }), 'number')
  })

  await t.test(
    'domains as what they are made of, enums as the coordinator numbers them',
    async (t) => {
      const base = { typeOid: TypeOid.int4, typeModifier: -1 }
      const domain = column(99_999, { base })
      const [[five]] = (await rowsOf('SELECT hash_record(ROW(5))')) as [[number]]
      t.equal(hashKey(domain, { text: '5' }), five)
      t.equal(hashKey(domain, { text: '5', typeOid: 99_999 }), five)
      t.equal(hashKey(domain, { text: '5', typeOid: TypeOid.int8 }), five)
      t.equal(hashKey(domain, { text: '5', typeOid: TypeOid.text }), undefined)

      await client.query("CREATE TYPE key_mood AS ENUM ('sad', 'ok', 'schön')")
      t.teardown(() => client.query('DROP TYPE key_mood'))
      const labels = await rowsOf(
        "SELECT enumlabel, oid::int8::text, hash_record(ROW(enumlabel::text::key_mood)), enumtypid::int8::text FROM pg_enum WHERE enumtypid = 'key_mood'::regtype",
      )
      const hashes = new Map(labels.map(([label, oid]) => [label, hashUint32(Number(oid) | 0)]))
      const mood = column(Number(labels[0]?.[3]), {
        hashing: { kind: 'enum', hashes, named: undefined },
      })
      for (const [text, , hash, typeOid] of labels) {
        t.equal(hashKey(mood, { text }), hash, text)
        t.equal(hashKey(mood, { binary: Buffer.from(text), typeOid: Number(typeOid) }), hash)
        t.equal(binaryKeyHasher(mood)(Buffer.from(text), 0, Buffer.byteLength(text)), hash)
      }
      t.equal(hashKey(mood, { text: 'sad ' }), undefined)
      t.equal(hashKey(mood, { text: 'sad', typeOid: TypeOid.text }), undefined)
    },
  )
})

/** The type's binary output function. */
function sendOf(type: keyof typeof TypeOid): string {
  const names: Readonly<Record<string, string>> = {
    int8: 'int8send',
    name: 'namesend',
    float8: 'float8send',
  }
  return `${names[type] ?? `${type}_send`}(v)`
}
