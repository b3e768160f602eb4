import pg from 'pg'
import t from 'tap'
import type { Column } from '../../lib/catalog/catalog.ts'
import { hashKey } from '../../lib/catalog/key-value.ts'
import { TypeOid } from '../../lib/catalog/type-oid.ts'
import { stockPostgres } from '../support/stock-postgres.ts'

function column(typeOid: number, typeModifier = -1): Column {
  return {
    name: 'key',
    attributeNumber: 1,
    typeOid,
    typeModifier,
    typeName: 'any',
    collation: undefined,
    isNotNull: true,
    hasDefault: false,
    isGenerated: false,
  }
}

type TypeName = Exclude<keyof typeof TypeOid, 'unknown'>

/** `SELECT hash_record(ROW('…'::type))` of Postgres 15.18. */
const GOLDEN: readonly (readonly [type: TypeName, text: string, hash: number])[] = [
  ['int2', '0', -272711505],
  ['int2', '-1', 385747274],
  ['int2', '-32768', 193646934],
  ['int4', '5', -1330264708],
  ['int4', '-5', 1412886042],
  ['int4', '2147483647', -96758253],
  ['int4', '-2147483648', -1524351049],
  ['int8', '5', -1330264708],
  ['int8', '-5', 1412886042],
  ['int8', '4294967296', -1905060026],
  ['int8', '-4294967297', -1242090879],
  ['int8', '9007199254740993', -1466497253],
  ['int8', '9223372036854775807', -1524351049],
  ['int8', '-9223372036854775807', 1859433618],
  ['int8', '123456789012345678', 1906414425],
  ['text', '', -1477818771],
  ['text', 'a', 1075015857],
  ['text', 'tenant-1', -475081847],
  ['text', 'twelve bytes', 652846557],
  ['varchar', 'thirteen byte', -1367827268],
  ['text', 'ünïcode 漢字 🐘', 1921086315],
  ['text', 'a considerably longer text that needs several rounds of mixing', -206089726],
  ['bpchar', 'ab  ', 1718550461],
  ['bpchar', 'ab', 1718550461],
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1154666245],
  ['uuid', 'A0EEBC999C0B4EF8BB6D6BB9BD380A11', 1154666245],
  ['bool', 't', -1905060026],
  ['bool', ' OFF', -272711505],
  ['bytea', '\\x', -1477818771],
  ['bytea', '\\x00ff10', -1343120590],
  ['oid', '4294967295', 385747274],
  ['date', '2000-01-01', -272711505],
  ['date', '2026-11-21', 246414175],
  ['date', '1969-12-31', 93120769],
  ['timestamp', '2026-11-21', 885927775],
  ['timestamp', '2026-11-21 10:11:12.123456', 2103352827],
  ['timestamp', '1970-01-01T00:00:00', 680174221],
  ['timestamptz', '2026-11-21 10:11:12.5+05:30', -1645264105],
  ['timestamptz', '2026-11-21 10:11Z', -901055453],
  ['timestamptz', '1999-12-31 23:59:59-08', 1273585094],
  ['float8', '-0', 0],
  ['float8', '1.5', 630860146],
  ['float8', '-1e300', -379023450],
  ['float8', '0.1', -573871567],
  ['float4', '1.5', 630860146],
  ['float4', '0.1', -222057114],
  ['float4', '3.4e38', -1246605002],
  ['numeric', '0.000', -1],
  ['numeric', '1', 1324868424],
  ['numeric', '1.0', 1324868424],
  ['numeric', '10000', 1324868425],
  ['numeric', '-12345.678900', -2041232919],
  ['numeric', '1e5', -1143929985],
  ['numeric', '1e-7', 1143929984],
  ['numeric', '0.00012', 1267246686],
  ['numeric', 'NaN', 0],
  ['numeric', '99999999999999999999.9999', -346718258],
]

/** Texts that Postgres refuses, or reads in a way that depends on more than the text. */
const UNKNOWN: readonly (readonly [type: TypeName, text: string])[] = [
  ['int4', '5.0'],
  ['int4', '- 5'],
  ['int4', '0x10'],
  ['int4', '1_000'],
  ['int4', '2147483648'],
  ['int2', '32768'],
  ['int4', ''],
  ['int8', '9223372036854775808'],
  ['uuid', 'a0eebc99'],
  ['bool', 'o'],
  ['date', '11/21/2026'],
  ['date', '2026-02-30'],
  ['date', 'today'],
  ['timestamp', '2026-11-21 24:00:00'],
  ['timestamp', '2026-11-21 10:11:12+00'],
  ['timestamptz', '2026-11-21 10:11:12'],
  ['float8', '1e999'],
  ['float8', 'Infinity'],
  ['numeric', 'twelve'],
  ['text', 'not \ufffd decoded'],
]

t.test('hashKey', async (t) => {
  t.test('gives the golden hashes for the text form', async (t) => {
    for (const [type, text, hash] of GOLDEN) {
      t.equal(hashKey(column(TypeOid[type]), { text }), hash, `${type} ${text}`)
    }
  })

  t.test('skips white space around integers as Postgres does', async (t) => {
    t.equal(hashKey(column(TypeOid.int4), { text: ' +0005\n' }), -1330264708)
  })

  t.test('does not guess', async (t) => {
    for (const [type, text] of UNKNOWN) {
      t.equal(hashKey(column(TypeOid[type]), { text }), undefined, `${type} ${text}`)
    }
  })

  t.test('leaves values that the column would round or cut to Postgres', async (t) => {
    const numeric = column(TypeOid.numeric, ((10 << 16) | 2) + 4)
    t.equal(hashKey(numeric, { text: '1.005' }), undefined)
    t.equal(hashKey(numeric, { text: '1.00' }), 1324868424)
    t.equal(hashKey(column(TypeOid.varchar, 4 + 3), { text: 'ab  ' }), undefined)
    t.equal(hashKey(column(TypeOid.timestamp, 0), { text: '2026-11-21 10:11:12.5' }), undefined)
  })

  t.test('reads a parameter only where its type agrees with the column', async (t) => {
    const five = { text: '5', typeOid: TypeOid.numeric }
    t.equal(hashKey(column(TypeOid.int4), five), undefined)
    const wide = Buffer.from('0000000000000005', 'hex')
    t.equal(hashKey(column(TypeOid.int4), { binary: wide, typeOid: TypeOid.int8 }), -1330264708)
    t.equal(hashKey(column(TypeOid.int4), { binary: wide, typeOid: TypeOid.int4 }), undefined)
  })

  t.test('refuses columns of types it cannot hash', async (t) => {
    t.equal(hashKey(column(3802), { text: '{}' }), undefined)
  })
})

t.test('hashKey on a live server', async (t) => {
  const client = new pg.Client({ connectionString: await stockPostgres(t) })
  await client.connect()
  t.teardown(() => client.end())
  for (const [type, text, hash] of GOLDEN) {
    const { rows } = await client.query({
      text: `SELECT hash_record(ROW($1::text::${type}))::int, $1::text::${type}`,
      values: [text],
      rowMode: 'array',
    })
    t.equal(rows[0]?.[0], hash, `${type} ${text}`)
  }
})
