import { connect } from 'node:net'
import t from 'tap'
import { RouterError } from '../../lib/base/errors.ts'
import { writeCommandComplete, writeReadyForQuery } from '../../lib/wire/backend-messages.ts'
import { writeCopyInResponse } from '../../lib/wire/copy-messages.ts'
import { writeError } from '../../lib/wire/error-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { writeQuery } from '../../lib/wire/frontend-messages.ts'
import { Frontend, TransactionStatus } from '../../lib/wire/message-codes.ts'
import { writeStartupMessage } from '../../lib/wire/startup-packets.ts'
import { FakeBackend, type FakeSession } from '../support/fake-backend.ts'
import { localProxy } from '../support/local-proxy.ts'

t.test('a COPY that begins when its client has left is ended', async (t) => {
  let copying: FakeSession | undefined
  let leave: () => void = () => undefined
  let finished: () => void = () => undefined
  const failed = new Promise<void>((resolve) => {
    finished = resolve
  })
  const server = await FakeBackend.start({
    onMessage: (session, type, frame) => {
      if (type === Frontend.query && frame.includes('COPY')) {
        copying = session
        leave()
      } else if (type === Frontend.copyFail) {
        session.send((out) => {
          writeError(out, new RouterError('57014', 'COPY from stdin failed'))
          writeReadyForQuery(out, TransactionStatus.idle)
        })
        finished()
      } else if (type === Frontend.query) {
        session.send((out) => {
          writeCommandComplete(out, 'SET')
          writeReadyForQuery(out, TransactionStatus.idle)
        })
      }
    },
    // the proxy knows by now that its client is gone
    onCancel: () =>
      copying?.send((out) => writeCopyInResponse(out, { format: 0, columnFormats: [0] })),
  })
  t.teardown(() => server.stop())
  const port = await localProxy(t, server.address)
  const client = connect({ host: '127.0.0.1', port })
  leave = () => client.destroy()
  const out = new FrameWriter()
  writeStartupMessage(
    out,
    new Map([
      ['user', 'app'],
      ['database', 'app'],
    ]),
  )
  writeQuery(out, 'COPY t FROM STDIN')
  client.write(out.take())
  await failed
})
