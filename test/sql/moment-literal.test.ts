import t from 'tap'
import { mayNameMoment } from '../../lib/sql/moment-literal.ts'

const names = (text: string): boolean => mayNameMoment(Buffer.from(text))

t.test('mayNameMoment', async (t) => {
  for (const text of [
    "SELECT 1 WHERE at < 'now'",
    "SELECT 1 WHERE at < ' NOW '",
    "SELECT 1 WHERE at >= 'today 10:00'",
    "SELECT 1 WHERE at >= '10:00today'",
    'SELECT $$yesterday$$',
    "SELECT 1 WHERE at < E'\\156ow'",
    "SELECT 1 WHERE at < U&'n\\006fw'",
    "SELECT 1 WHERE at < 'no'\n'w'",
    "SELECT 1 WHERE at < 'no' -- goes on\n 'w'",
  ]) {
    t.ok(names(text), text)
  }
  for (const text of [
    'SELECT now()',
    'SELECT NOW () - at FROM t',
    "SELECT known, snow FROM nowhere WHERE a = 'x'",
    "SELECT 1 WHERE a = 'x'\n AND b = 'y'",
    "SELECT todays FROM t WHERE a IN ('x',\n'y')",
  ]) {
    t.notOk(names(text), text)
  }
})
