import t from 'tap'
import { binaryNumeric } from '../../lib/console/binary-numeric.ts'
import { type Columns, writeColumns, writeRow } from '../../lib/console/shown-table.ts'
import { readDataRow } from '../../lib/wire/backend-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { readRowDescription } from '../../lib/wire/row-description.ts'

const COLUMNS = { name: 'text', small: 'int4', large: 'int8', sum: 'numeric' } as const

function row(columns: Columns, values: Record<string, string | number | null>, formats?: number[]) {
  const out = new FrameWriter()
  writeRow(out, columns, values, formats)
  return readDataRow(out.take())
}

t.test('types and sizes are those that PgBouncer sends', async (t) => {
  const out = new FrameWriter()
  writeColumns(out, COLUMNS)
  const fields = readRowDescription(out.take())
  t.same(
    fields.map(({ name, typeOid, typeSize, format }) => [name, typeOid, typeSize, format]),
    [
      ['name', 25, -1, 0],
      ['small', 23, 4, 0],
      ['large', 20, 8, 0],
      ['sum', 1700, -1, 0],
    ],
  )
})

t.test('text: fractions are cut off, large numbers are written out, null is NULL', async (t) => {
  const values = row(COLUMNS, { name: null, small: 3e9, large: 2 ** 53 - 1, sum: 1234.9 })
  t.same(values.map(String), ['undefined', '2147483647', '9007199254740991', '1234'])
})

t.test('binary, where the client asks for it', async (t) => {
  const [name, small, large, sum] = row(COLUMNS, { name: 'é', small: 7, large: 8, sum: 9 }, [1])
  t.equal(name?.toString('utf8'), 'é')
  t.equal(small?.readInt32BE(), 7)
  t.equal(large?.readBigInt64BE(), 8n)
  t.equal(sum?.toString('hex'), '0001000000000000' + '0009')
  t.equal(row(COLUMNS, { name: 'a', small: 7, large: 8, sum: 9 }, [0, 1, 0, 0])[2]?.toString(), '8')
})

// as `SELECT encode(numeric_send(n), 'hex')` says
t.test('numeric in binary', async (t) => {
  for (const [value, hex] of [
    [0n, '0000000000000000'],
    [1n, '00010000000000000001'],
    [9999n, '0001000000000000270f'],
    [10000n, '00010001000000000001'],
    [123456789n, '000300020000000000010929' + '1a85'],
    [-20000n, '00010001400000000002'],
  ] as const) {
    t.equal(binaryNumeric(value).toString('hex'), hex, String(value))
  }
})
