import t from 'tap'
import type { DistributedTable } from '../../lib/catalog/catalog.ts'
import { textKeyHasher } from '../../lib/catalog/key-bytes.ts'
import { splitHashSpace } from '../../lib/catalog/shard-map.ts'
import { TypeOid } from '../../lib/catalog/type-oid.ts'
import { BinaryRows } from '../../lib/executor/copy/split/binary-rows.ts'
import { BlockPool } from '../../lib/executor/copy/split/block-pool.ts'
import { CopyFault } from '../../lib/executor/copy/split/copy-fault.ts'
import { CsvRows } from '../../lib/executor/copy/split/csv-rows.ts'
import { LineMap } from '../../lib/executor/copy/split/line-map.ts'
import type { RowReader } from '../../lib/executor/copy/split/row-reader.ts'
import { RowSplitter } from '../../lib/executor/copy/split/row-splitter.ts'
import { TextRows } from '../../lib/executor/copy/split/text-rows.ts'

const column = {
  name: 'k',
  attributeNumber: 1,
  typeOid: TypeOid.text,
  typeModifier: -1,
  typeName: 'text',
  collation: undefined,
  isNotNull: false,
  hasDefault: false,
  isGenerated: false,
}
const table: DistributedTable = {
  kind: 'distributed',
  oid: 1,
  schema: 'public',
  name: 't',
  columns: [column],
  colocationId: 1,
  primaryKey: [],
  hasTriggers: false,
  distributionColumn: column,
  shards: splitHashSpace(4).map((range, index) => ({
    ...range,
    index,
    shardId: index,
    nodeId: 1,
    schema: `pgloom_${index}`,
  })),
}

const options = {
  keyIndex: 1,
  columnCount: 2,
  encoding: undefined,
  delimiter: 0x2c,
  quote: 0x22,
  escape: 0x22,
  nullText: Buffer.from('NULL'),
  forcesNulls: false,
}
const text = () => new TextRows({ ...options, format: 'text' }, 18)
const csv = () => new CsvRows({ ...options, format: 'csv' }, 18)
const binary = () => new BinaryRows({ ...options, format: 'binary' })

/** What becomes of the data when they come in these pieces: rows with their shards, or the fault. */
function split(reader: RowReader, pieces: readonly Buffer[], hasHead = false): unknown {
  const rows: string[] = []
  const splitter: RowSplitter = new RowSplitter({
    table,
    reader,
    hashKey: textKeyHasher(column, true),
    isBinary: reader instanceof BinaryRows,
    hasHead: hasHead || reader instanceof BinaryRows,
    sink: {
      place: (shard, bytes, start, end, line, lines) => {
        rows.push(`${shard} ${line} ${lines} ${bytes.toString('latin1', start, end)}`)
      },
      placeRun: ({ count, ends, shards }, bytes, start, line) => {
        for (let row = 0; row < count; row++) {
          const from = row === 0 ? start : ends[row - 1]
          rows.push(`${shards[row]} ${line + row} 1 ${bytes.toString('latin1', from, ends[row])}`)
        }
      },
    },
  })
  try {
    for (const piece of pieces) splitter.take(piece)
    splitter.finish()
    return { rows, head: splitter.head.bytes?.toString('latin1'), isBroken: splitter.isBroken }
  } catch (error) {
    if (!(error instanceof CopyFault)) throw error
    return { rows, fault: error.message, line: splitter.currentLine }
  }
}

const TEXTS = [
  '1,a\n2,b\n3,c',
  '1,a\r\n2,b\\,c\r\n3,\\\r\nx\r\n',
  'a\rb,c\rd,e\r',
  '1,a\n\\.\n2,b\n',
  '1,NULL\n2,\\N\n',
  '1,a\nb\r\n',
  '1,a\\.b\n',
]
const CSVS = [
  '1,"a\nb"\n"2\n\n",c\n3,"x""y"\n',
  '1,"a\r\nb",x\r\n"2",NULL\r\n3,"NULL"\r\n',
  '1,"never closed\n2,b\n',
  '1,a\n2,b\r3',
  '\\.\n1,a\n',
]

t.test('where the data are cut means nothing', async (t) => {
  const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02ab', 'latin1')
  const tuples = Buffer.from(
    '\0\x02\0\0\0\x01x\0\0\0\x01y\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    'latin1',
  )
  const all: [string, () => RowReader, Buffer][] = [
    ...TEXTS.map((data): [string, () => RowReader, Buffer] => ['text', text, Buffer.from(data)]),
    ...CSVS.map((data): [string, () => RowReader, Buffer] => ['csv', csv, Buffer.from(data)]),
    ['binary', binary, Buffer.concat([header, tuples])],
    ['cut binary', binary, Buffer.concat([header, tuples]).subarray(0, 30)],
  ]
  for (const [name, reader, data] of all) {
    for (const hasHead of [false, true]) {
      const whole = split(reader(), [data], hasHead)
      for (let at = 0; at <= data.length; at++) {
        const pieces = [data.subarray(0, at), data.subarray(at)]
        t.same(
          split(reader(), pieces, hasHead),
          whole,
          `${name} ${JSON.stringify(data.toString('latin1'))} at ${at}`,
        )
      }
      const bytes = [...data].map((byte) => Buffer.from([byte]))
      t.same(split(reader(), bytes, hasHead), whole, 'byte by byte')
    }
  }
})

t.test('the fast half finds what the exact half finds', async (t) => {
  let seed = 42
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const words = [
    '1',
    'ab',
    'NULL',
    ',',
    ',',
    '\n',
    '\n',
    '\n',
    '"',
    '"',
    '\\',
    '\\.',
    '\r',
    '\\N',
    "'",
  ]
  const slow = (reader: RowReader): RowReader => {
    reader.scan = (_bytes, _start, _end, run) => {
      run.count = 0
    }
    return reader
  }
  const apart = { ...options, escape: 0x27 }
  const readers = [text, csv, () => new CsvRows({ ...apart, format: 'csv' }, 15)]
  for (let round = 0; round < 1500; round++) {
    const length = 1 + random(40)
    const drawn = Array.from({ length }, () => words[random(round % 3 === 0 ? 8 : words.length)])
    const data = Buffer.from(`1,a\n${drawn.join('')}`)
    for (const reader of readers) {
      const found = split(reader(), [data])
      if (JSON.stringify(found) === JSON.stringify(split(slow(reader()), [data]))) continue
      t.same(found, split(slow(reader()), [data]), JSON.stringify(data.toString('latin1')))
    }
  }
  t.ok(seed !== 42)
})

t.test('rows that are longer than a piece', async (t) => {
  const long = 'x'.repeat(300_000)
  const data = Buffer.from(`1,a,${long}\n2,b,"${long}\n${long}"\n3,c\n`)
  const pieces = Array.from({ length: Math.ceil(data.length / 1000) }, (_, i) =>
    data.subarray(i * 1000, (i + 1) * 1000),
  )
  t.same(split(csv(), pieces), split(csv(), [data]))
})

t.test('what Postgres must read goes nowhere else', async (t) => {
  const shards = (reader: RowReader, data: string) => {
    const { rows } = split(reader, [Buffer.from(data)]) as { rows: string[] }
    return rows.map((row) => row.slice(0, row.indexOf(' ')))
  }
  t.same(shards(text(), '1,a\\tb\n1,NULL\n1\n'), ['-1', '-1', '-1'])
  t.same(shards(csv(), '1,"a""b"\n1,NULL\n1\n1,a"b"\n'), ['-1', '-1', '-1', '-1'])
  t.same(shards(csv(), '1,abc\n'), shards(csv(), '1,"abc"\n'))
})

t.test('lines are found again', async (t) => {
  const map = new LineMap(new BlockPool(), 32)
  const rows = [
    [3, 1],
    [10, 4],
    [11, 1],
    [500_000, 200],
    [500_001, 1],
  ] as const
  for (const [line, lines] of rows) map.add(line, lines)
  // the server counts 1, 2-5, 6, 7-206, 207
  const found = [1, 2, 5, 6, 7, 206, 207].map((line) => map.find(0, line))
  t.same(found, [3, 7, 10, 11, 499_801, 500_000, 500_001])
  t.equal(map.find(0, 208), -207)
  t.equal(map.find(100, 101), 3)
})
