import t from 'tap'
import { writeCopyData } from '../../lib/wire/copy-messages.ts'
import { FrameReader, type OnFrame } from '../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { writeQuery, writeSync } from '../../lib/wire/frontend-messages.ts'
import { Frontend } from '../../lib/wire/message-codes.ts'

const LIMITS = { startupBytes: 10_000, messageBytes: 1_000_000 }

function stream(): Buffer {
  const out = new FrameWriter()
  writeQuery(out, 'select 1')
  writeSync(out)
  writeQuery(out, 'x'.repeat(9000))
  writeSync(out)
  return out.take()
}

function collect(limits = LIMITS): { reader: FrameReader; frames: Buffer[] } {
  const frames: Buffer[] = []
  const reader = new FrameReader(limits, (_type, chunk, start, end) => {
    frames.push(Buffer.from(chunk.subarray(start, end)))
  })
  reader.expectMessages()
  return { reader, frames }
}

t.test('FrameReader', async (t) => {
  t.test('gives the same messages however the bytes are cut', async (t) => {
    const bytes = stream()
    for (const size of [1, 2, 3, 4, 5, 6, 7, 100, 4096, bytes.length]) {
      const { reader, frames } = collect()
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes, at, Math.min(at + size, bytes.length))
      }
      t.equal(frames.length, 4, `chunks of ${size}`)
      t.same(Buffer.concat(frames), bytes)
      t.equal(reader.pendingBytes, 0)
    }
  })

  t.test('holds messages back while paused, at any message', async (t) => {
    const bytes = stream()
    const frames: Buffer[] = []
    const reader: FrameReader = new FrameReader(LIMITS, (_type, chunk, start, end) => {
      frames.push(Buffer.from(chunk.subarray(start, end)))
      reader.pause()
    })
    reader.expectMessages()
    reader.push(bytes, 0, 30)
    reader.push(bytes, 30, bytes.length)
    for (let count = 1; count <= 4; count++) {
      t.equal(frames.length, count)
      reader.resume()
    }
    t.same(Buffer.concat(frames), bytes)
  })

  t.test('gives bodies in pieces to who takes them, however the bytes are cut', async (t) => {
    const out = new FrameWriter()
    writeQuery(out, 'copy t from stdin')
    writeCopyData(out, Buffer.from('x'.repeat(5000)))
    writeCopyData(out, Buffer.alloc(0))
    writeCopyData(out, Buffer.from('y'.repeat(9)))
    writeSync(out)
    const bytes = out.take()
    for (const size of [1, 2, 3, 4, 5, 6, 7, 100, 4096, bytes.length]) {
      const types: string[] = []
      const bodies: Buffer[] = []
      let wasBetween = false
      let heldBytes = 0
      const take = (chunk: Buffer, start: number, end: number) => {
        bodies.push(Buffer.from(chunk.subarray(start, end)))
      }
      const onFrame: OnFrame = (type, chunk, start, end) => {
        types.push(String.fromCharCode(type))
        if (type === Frontend.copyData) take(chunk, start + 5, end)
      }
      const reader: FrameReader = new FrameReader(LIMITS, onFrame, {
        takesPieces: (type) => type === Frontend.copyData,
        piece: (chunk, start, end) => {
          wasBetween ||= reader.isEmpty
          take(chunk, start, end)
        },
      })
      reader.expectMessages()
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes, at, Math.min(at + size, bytes.length))
        heldBytes = Math.max(heldBytes, reader.pendingBytes)
      }
      t.equal(Buffer.concat(bodies).toString(), 'x'.repeat(5000) + 'y'.repeat(9), `${size}`)
      t.equal(types.filter((type) => type !== 'd').join(''), 'QS')
      t.same([wasBetween, reader.isEmpty, heldBytes < 32], [false, true, true])
    }
  })

  t.test('PgDog #1228: refuses lengths out of bounds before it takes any bytes', async (t) => {
    const broken = { name: 'ProtocolError', sqlState: '08P01' }
    for (const length of [0, 3, 65_536, 0x7fff_ffff, 0xffff_ffff]) {
      const header = Buffer.from([0x51, 0, 0, 0, 0])
      header.writeUInt32BE(length, 1)
      t.throws(() => collect().reader.push(header, 0, 5), broken, `length ${length}`)
    }
    const { reader } = collect()
    reader.liftStartupLimit()
    reader.push(Buffer.from([0x51, 0, 0, 0x40, 0]), 0, 5)
    t.equal(reader.pendingBytes, 5)
  })
})
