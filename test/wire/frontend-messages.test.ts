import { serialize } from 'pg-protocol'
import t from 'tap'
import {
  readSaslInitialResponse,
  writeSaslInitialResponse,
} from '../../lib/wire/authentication-messages.ts'
import {
  readCopyFail,
  writeCopyData,
  writeCopyDone,
  writeCopyFail,
} from '../../lib/wire/copy-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import * as frontend from '../../lib/wire/frontend-messages.ts'
import {
  readStartupPacket,
  writeCancelRequest,
  writeSslRequest,
} from '../../lib/wire/startup-packets.ts'

function written(write: (out: FrameWriter) => void): Buffer {
  const out = new FrameWriter(4)
  write(out)
  return out.take()
}

const bind: frontend.Bind = {
  portal: 'p',
  statement: 'größe',
  formats: [],
  values: [Buffer.from('1'), undefined, Buffer.alloc(300, 7)],
  resultFormats: [1],
}

const CASES: readonly {
  name: string
  frame: Buffer
  theirs?: Buffer
  read: (frame: Buffer) => unknown
  value: unknown
}[] = [
  {
    name: 'Query',
    frame: written((out) => frontend.writeQuery(out, 'select ü')),
    theirs: serialize.query('select ü'),
    read: frontend.readQuery,
    value: { text: Buffer.from('select ü') },
  },
  {
    name: 'Parse',
    frame: written((out) =>
      frontend.writeParse(out, { name: 's', text: 'select $1', parameterTypes: [23, 0xffff_fff0] }),
    ),
    read: frontend.readParse,
    value: { name: 's', text: Buffer.from('select $1'), parameterTypes: [23, 0xffff_fff0] },
  },
  {
    name: 'Parse without types',
    frame: written((out) => frontend.writeParse(out, { name: '', text: 'select 1' })),
    theirs: serialize.parse({ text: 'select 1', types: [] }),
    read: frontend.readParse,
    value: { name: '', text: Buffer.from('select 1'), parameterTypes: [] },
  },
  {
    name: 'Bind',
    frame: written((out) => frontend.writeBind(out, bind)),
    read: frontend.readBind,
    value: bind,
  },
  {
    name: 'Describe',
    frame: written((out) => frontend.writeDescribe(out, { kind: 'portal', name: 'x' })),
    theirs: serialize.describe({ type: 'P', name: 'x' }),
    read: frontend.readDescribe,
    value: { kind: 'portal', name: 'x' },
  },
  {
    name: 'Close',
    frame: written((out) => frontend.writeClose(out, { kind: 'statement', name: 'x' })),
    theirs: serialize.close({ type: 'S', name: 'x' }),
    read: frontend.readClose,
    value: { kind: 'statement', name: 'x' },
  },
  {
    name: 'Execute',
    frame: written((out) => frontend.writeExecute(out, { portal: 'x', maxRows: 7 })),
    theirs: serialize.execute({ portal: 'x', rows: 7 }),
    read: frontend.readExecute,
    value: { portal: 'x', maxRows: 7 },
  },
  {
    name: 'CopyFail',
    frame: written((out) => writeCopyFail(out, 'why')),
    theirs: serialize.copyFail('why'),
    read: readCopyFail,
    value: 'why',
  },
  {
    name: 'SASLInitialResponse',
    frame: written((out) =>
      writeSaslInitialResponse(out, { mechanism: 'SCRAM-SHA-256', data: Buffer.from('n,,n=,r=x') }),
    ),
    theirs: serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=,r=x'),
    read: readSaslInitialResponse,
    value: { mechanism: 'SCRAM-SHA-256', data: Buffer.from('n,,n=,r=x') },
  },
]

for (const { name, frame, theirs, read, value } of CASES) {
  t.test(name, async (t) => {
    t.same(read(frame), value, 'is read as it was written')
    if (theirs !== undefined) t.same(frame, theirs, 'is written as pg-protocol does')
    for (let length = 0; length < frame.length; length++) {
      const short = Buffer.from(frame.subarray(0, length))
      t.throws(() => read(short), { name: 'ProtocolError', sqlState: '08P01' }, `${length} bytes`)
      if (length < 5) continue
      short.writeInt32BE(length - 1, 1)
      t.throws(() => read(short), { name: 'ProtocolError', sqlState: '08P01' }, `${length} bytes`)
    }
  })
}

t.test('messages without a body', async (t) => {
  t.same(written(frontend.writeSync), serialize.sync())
  t.same(written(frontend.writeFlush), serialize.flush())
  t.same(written(frontend.writeTerminate), serialize.end())
  t.same(written(writeCopyDone), serialize.copyDone())
  t.same(
    written((out) => writeCopyData(out, Buffer.from('abc'))),
    serialize.copyData(Buffer.from('abc')),
  )
})

t.test('startup packets', async (t) => {
  t.match(readStartupPacket(Buffer.from(serialize.startup({ user: 'app', database: 'd' }))), {
    kind: 'startup',
    minorVersion: 0,
    extensions: [],
  })
  t.same(
    written((out) => writeSslRequest(out)),
    serialize.requestSsl(),
  )
  const cancel = written((out) => writeCancelRequest(out, 5, Buffer.from([0, 0, 0, 9])))
  t.same(cancel, serialize.cancel(5, 9))
  t.same(readStartupPacket(cancel), {
    kind: 'cancel-request',
    processId: 5,
    secretKey: Buffer.from([0, 0, 0, 9]),
  })
  const startup = Buffer.from(serialize.startup({ user: 'app' }))
  for (let length = 0; length < startup.length; length++) {
    const short = Buffer.from(startup.subarray(0, length))
    if (length >= 4) short.writeInt32BE(length, 0)
    t.throws(() => readStartupPacket(short), { name: 'ProtocolError' }, `${length} bytes`)
  }
})
