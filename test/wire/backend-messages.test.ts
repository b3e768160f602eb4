import { Parser } from 'pg-protocol/dist/parser.js'
import t, { type Test } from 'tap'
import { RouterError } from '../../lib/base/errors.ts'
import * as backend from '../../lib/wire/backend-messages.ts'
import { columnOffsets } from '../../lib/wire/data-row.ts'
import { errorFields, serverError, writeError } from '../../lib/wire/error-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { readRowDescription, writeRowDescription } from '../../lib/wire/row-description.ts'

function written(write: (out: FrameWriter) => void): Buffer {
  const out = new FrameWriter(4)
  write(out)
  return out.take()
}

function theirs(frame: Buffer): Record<string, unknown>[] {
  const messages: Record<string, unknown>[] = []
  new Parser().parse(frame, (message) => messages.push({ ...message }))
  return messages
}

function rejectsEveryShorter(t: Test, frame: Buffer, read: (frame: Buffer) => unknown): void {
  for (let length = 5; length < frame.length; length++) {
    const short = Buffer.from(frame.subarray(0, length))
    short.writeInt32BE(length - 1, 1)
    t.throws(() => read(short), { name: 'ProtocolError', sqlState: '08P01' }, `${length} bytes`)
  }
}

t.test('ErrorResponse', async (t) => {
  const error = new RouterError('42P01', 'relation "x" does not exist', { hint: 'h', position: 15 })
  const frame = written((out) => writeError(out, error))
  t.match(theirs(frame), [{ code: '42P01', hint: 'h', position: '15', severity: 'ERROR' }])
  t.equal(errorFields(frame).get('C'), '42P01')
  const copy = serverError(frame)
  t.match(copy, { sqlState: '42P01', hint: 'h', position: 15 })
  t.same(
    written((out) => writeError(out, copy)),
    frame,
    'a server error goes out byte for byte',
  )
  rejectsEveryShorter(t, frame, errorFields)
})

t.test('RowDescription', async (t) => {
  const fields = [
    {
      name: 'a',
      tableOid: 4_000_000_000,
      attributeNumber: 1,
      typeOid: 23,
      typeSize: 4,
      typeModifier: -1,
      format: 0,
    },
  ]
  const frame = written((out) => writeRowDescription(out, fields))
  t.same(readRowDescription(frame), fields)
  t.match(theirs(frame), [{ fields: [{ name: 'a', dataTypeID: 23 }] }])
  rejectsEveryShorter(t, frame, readRowDescription)
})

t.test('DataRow', async (t) => {
  const frame = written((out) => backend.writeDataRow(out, ['ab', undefined, '']))
  t.match(theirs(frame), [{ fields: ['ab', null, ''] }])
  const into = new Int32Array(6)
  t.equal(columnOffsets(frame, 0, frame.length, into), 3)
  t.same([...into], [11, 2, 17, -1, 21, 0])
  rejectsEveryShorter(t, frame, (short) => columnOffsets(short, 0, short.length, new Int32Array(6)))
})

t.test('others', async (t) => {
  const frame = written((out) => {
    backend.writeParameterStatus(out, { name: 'n', value: 'v' })
    backend.writeBackendKeyData(out, { processId: 7, secretKey: Buffer.from([0, 0, 0, 9]) })
    backend.writeCommandComplete(out, 'UPDATE 3')
    backend.writeReadyForQuery(out, 0x54)
  })
  t.match(theirs(frame), [
    { parameterName: 'n', parameterValue: 'v' },
    { processID: 7, secretKey: 9 },
    { text: 'UPDATE 3' },
    { status: 'T' },
  ])
})
