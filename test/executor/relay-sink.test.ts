import t from 'tap'
import { type Catalog, oidKey } from '../../lib/catalog/catalog.ts'
import { Answer } from '../../lib/executor/relay/answer-script.ts'
import { RelaySink } from '../../lib/executor/relay/relay-sink.ts'
import {
  writeBindComplete,
  writeCommandComplete,
  writeDataRow,
  writeParameterStatus,
  writeParseComplete,
} from '../../lib/wire/backend-messages.ts'
import { writeFields } from '../../lib/wire/error-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { Backend } from '../../lib/wire/message-codes.ts'
import { writeRowDescription } from '../../lib/wire/row-description.ts'
import { RecordingClient } from '../support/executor-world.ts'

const catalog: Catalog = {
  database: 'app',
  version: 1,
  isInstalled: true,
  nodes: [1, 2].map((nodeId) => ({
    nodeId,
    groupId: nodeId - 1,
    host: '',
    port: 0,
    isActive: true,
    shouldHaveShards: true,
  })),
  tables: new Map(),
  views: new Map(),
  shadowingRelations: new Set(),
  shellOids: new Map([[oidKey(2, 30000), 20000]]),
}

const field = {
  name: 'x',
  tableOid: 30000,
  attributeNumber: 1,
  typeOid: 23,
  typeSize: 4,
  typeModifier: -1,
  format: 0,
}

function relay(nodeId = 2) {
  const client = new RecordingClient()
  const events: string[] = []
  const sink = new RelaySink(client, {
    passesReady: () => false,
    relayDone: ({ status }) => events.push(`done ${String.fromCharCode(status)}`),
    relayLost: () => events.push('lost'),
    parameterStatus: (name, value) => events.push(`${name}=${value}`),
    notification: () => events.push('notification'),
    copyInStarted: () => events.push('copy in'),
  })
  const source = {
    node: { nodeId },
    pause: () => events.push('pause'),
    resume: () => events.push('resume'),
  }
  sink.reset(source as Parameters<typeof sink.reset>[0], catalog)
  const message = (write: (out: FrameWriter) => void): void => {
    const out = new FrameWriter()
    write(out)
    const frame = out.take()
    const type = frame[0] ?? 0
    if (type === Backend.dataRow) sink.rows(frame, 0, frame.length)
    else sink.message(type, frame, 0, frame.length)
  }
  return { client, events, sink, message }
}

t.test("a simple query passes with the coordinator's OIDs", async (t) => {
  const { client, events, sink, message } = relay()
  message((out) => writeRowDescription(out, [field]))
  message((out) => writeDataRow(out, ['1']))
  message((out) => writeParameterStatus(out, { name: 'TimeZone', value: 'UTC' }))
  message((out) => writeCommandComplete(out, 'SELECT 1'))
  sink.ready(0x49)
  const { types, rows, fields } = client.take()
  t.equal(types, 'TDC')
  t.same(rows, [['1']])
  t.equal(fields?.[0]?.tableOid, 20000)
  t.equal(sink.tag, 'SELECT 1')
  t.same(events, ['TimeZone=UTC', 'done I'])
})

t.test('injected answers are swallowed, spared ones made up', async (t) => {
  const { client, sink, message } = relay()
  sink.isExtended = true
  for (const answer of [
    Answer.swallow,
    Answer.parseComplete,
    Answer.pass,
    Answer.pass,
    Answer.pass,
  ]) {
    sink.script.add(answer)
  }
  sink.script.add(Answer.closeComplete)
  message(writeParseComplete)
  message(writeBindComplete)
  message((out) => writeRowDescription(out, [field]))
  message((out) => writeDataRow(out, ['1']))
  message((out) => writeCommandComplete(out, 'SELECT 1'))
  sink.ready(0x49)
  t.equal(client.take().types, '12TDC3')
})

t.test('an error is kept for the owner, what follows is dropped', async (t) => {
  const { client, sink, message } = relay()
  sink.positions.reset(Buffer.from('SELECT x'), 0, 8)
  message((out) =>
    writeFields(out, Backend.errorResponse, [
      ['C', '42P01'],
      ['M', 'relation "pgloom_1.x" does not exist'],
      ['s', 'pgloom_1'],
    ]),
  )
  message((out) => writeDataRow(out, ['1']))
  sink.ready(0x45)
  t.equal(client.take().types, '')
  t.notOk(sink.hasAnswered)
  t.match(sink.error, { name: 'ServerError', message: 'relation "x" does not exist' })
})

t.test('a user-defined type of a worker is refused', async (t) => {
  const worker = relay(2)
  worker.message((out) => writeRowDescription(out, [{ ...field, typeOid: 16400 }]))
  worker.message((out) => writeDataRow(out, ['1']))
  t.match(worker.sink.error, { name: 'RouterError', sqlState: '0A000' })
  t.equal(worker.client.take().types, '')
  const coordinator = relay(1)
  coordinator.message((out) => writeRowDescription(out, [{ ...field, typeOid: 16400 }]))
  t.equal(coordinator.sink.error, undefined)
})

t.test('a congested client holds the server back', async (t) => {
  const { client, events, message } = relay()
  client.congestEveryBytes = 10
  message((out) => writeDataRow(out, ['0123456789']))
  t.same(events, ['pause'])
  await new Promise(setImmediate)
  t.same(events, ['pause', 'resume'])
})
