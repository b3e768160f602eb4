import t from 'tap'
import {
  type CancelKey,
  CancelKeys,
  processNumberOf,
} from '../../lib/session/client/cancel-keys.ts'

t.test('CancelKeys', async (t) => {
  const forwarded: CancelKey[] = []
  const keys = new CancelKeys({ processNumber: 1024, forward: (key) => forwarded.push(key) })
  let cancels = 0
  const session = { cancel: () => cancels++ }

  t.test('carry the number of their process', async (t) => {
    const { processId } = keys.register(session)
    t.equal(processNumberOf(processId), 1024)
    t.ok(processId > 0 && processId < 2 ** 31, 'a positive int4')
    t.equal(processNumberOf(new CancelKeys().register(session).processId), 1)
  })

  t.test('reach their session only with their secret', async (t) => {
    const { processId, secretKey } = keys.register(session)
    keys.cancel(processId, secretKey)
    t.equal(cancels, 1)
    keys.cancel(processId, Buffer.from(secretKey.map((byte) => byte ^ 1)))
    keys.unregister(processId)
    keys.cancel(processId, secretKey)
    t.equal(cancels, 1)
  })

  t.test('that are not ours are passed on, a flood of them once', async (t) => {
    await new Promise((resolve) => setImmediate(resolve))
    forwarded.length = 0
    for (let i = 0; i < 1000; i++) keys.cancel(5, Buffer.alloc(4))
    t.same(forwarded, [{ processId: 5, secretKey: Buffer.alloc(4) }])
    for (let i = 0; i < 1000; i++) keys.cancel(i + 10, Buffer.alloc(4))
    t.equal(forwarded.length, 64, 'no more than that in a turn')
    keys.cancel(6, Buffer.alloc(32))
    t.equal(forwarded.length, 64, 'none of ours is so long')
  })
})
