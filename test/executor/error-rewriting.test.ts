import t from 'tap'
import { mendError, mendMessage, UNSEEN_COPY } from '../../lib/executor/relay/error-rewriting.ts'
import { errorFields, writeFields } from '../../lib/wire/error-messages.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { Backend } from '../../lib/wire/message-codes.ts'

function frame(fields: Record<string, string>): Buffer {
  const out = new FrameWriter()
  writeFields(out, Backend.errorResponse, Object.entries(fields))
  return out.take()
}

function mended(fields: Record<string, string>, mending = {}): Record<string, string> {
  const message = frame(fields)
  const result = mendMessage(message, 0, message.length, { positions: undefined, ...mending })
  return Object.fromEntries(errorFields(result))
}

t.test("physical names become the user's", async (t) => {
  t.same(mended({ C: '23505', M: 'duplicate key', s: 'pgloom_12', t: 'events' }), {
    C: '23505',
    M: 'duplicate key',
    s: 'public',
    t: 'events',
  })
  t.match(mended({ C: '23505', M: 'x', s: 'pgloom_12_Sales "A"' }), { s: 'Sales "A"' })
  t.match(mended({ C: '42P01', M: 'relation "pgloom_12.x" does not exist' }), {
    M: 'relation "x" does not exist',
  })
  t.match(mended({ C: '42P01', M: 'relation "pgloom_3_sales.x" does not exist' }), {
    M: 'relation "sales.x" does not exist',
  })
  t.match(mended({ C: '42703', M: 'column pgloom_3.events.z does not exist' }), {
    M: 'column events.z does not exist',
  })
  t.match(mended({ C: '3F000', M: 'schema "pgloom_3" does not exist' }), {
    M: 'schema "public" does not exist',
  })
})

t.test('a COPY that the client has not asked for stays unsaid', async (t) => {
  const fields = { C: '23505', M: 'duplicate key', W: 'COPY acc, line 1' }
  t.same(mended(fields, UNSEEN_COPY), { C: '23505', M: 'duplicate key' })
  const W = 'SQL function "f" statement 1\nCOPY acc, line 12, column a: "x"'
  t.match(mended({ ...fields, W }, UNSEEN_COPY), { W: 'SQL function "f" statement 1' })
})

t.test("what may be the user's data stays", async (t) => {
  const fields = { C: '22P02', M: 'invalid input: "pgloom_12.x"', D: 'Key (a)=(pgloom_1.x)' }
  t.same(mended(fields), fields)
})

t.test("a scratch table bears the user's name", async (t) => {
  const alias = {
    schema: 'pgloom_scratch',
    name: 'scratch_0123',
    shownSchema: 'public',
    shownName: 'events',
  }
  const fields = {
    C: '22P02',
    M: 'in "scratch_0123"',
    W: 'COPY scratch_0123, line 2',
    s: 'pgloom_scratch',
    t: 'scratch_0123',
  }
  t.same(mended(fields, { aliases: [alias] }), {
    C: '22P02',
    M: 'in "events"',
    W: 'COPY events, line 2',
    s: 'public',
    t: 'events',
  })
})

t.test('positions in a text of ours are dropped', async (t) => {
  t.same(mended({ C: '42601', M: 'x', P: '7' }, { positions: 'drop' }), { C: '42601', M: 'x' })
})

t.test('an untouched message stays byte for byte', async (t) => {
  const message = frame({ S: 'ERROR', V: 'ERROR', C: '22012', M: 'division by zero', H: 'hint' })
  const error = mendError(message, 0, message.length, { positions: undefined })
  t.same(error.frame, message)
  t.match(error, {
    name: 'ServerError',
    sqlState: '22012',
    message: 'division by zero',
    hint: 'hint',
  })
})
