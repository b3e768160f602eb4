import t from 'tap'
import { RouterError } from '../../lib/base/errors.ts'
import { ServerAnswer } from '../../lib/executor/server-answer.ts'

t.test('a reader that refuses rows fails its answer, not the connection', async (t) => {
  let calls = 0
  const answer = new ServerAnswer({
    run: () => {
      calls++
      throw new RouterError('53400', 'too many rows')
    },
  })
  const rows = Buffer.alloc(64)
  t.equal(answer.rows(rows, 0, 64), true)
  t.equal(answer.rows(rows, 0, 64), false, 'the rest is dropped')
  answer.ready()
  t.match(await answer.done, { sqlState: '53400' })
  t.equal(calls, 1)
})
