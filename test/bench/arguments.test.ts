import t from 'tap'
import { BenchUsageError, readArguments } from '../../bench/arguments.ts'
import { turnOrder } from '../../bench/bench-run.ts'

t.test('without arguments everything is run', async (t) => {
  const args = readArguments([])
  t.match(args, { rounds: 5, seconds: 5, systems: ['direct', 'pgbouncer', 'pgloom'] })
  t.equal(args.clients, undefined)
  t.ok(args.scenarios.length > 5)
})

t.test('lists choose', async (t) => {
  const args = readArguments(['--scenario', 'stream,idle', '--clients', '1, 64', '--rounds', '3'])
  t.same(
    args.scenarios.map(({ name }) => name),
    ['stream', 'idle'],
  )
  t.match(args, { clients: [1, 64], rounds: 3 })
  const variants = ['pgloom+pooled', 'pgloom+unpipelined@x/main.js']
  t.same(readArguments(['--systems', variants.join(',')]).systems, variants)
})

t.test('what is not understood is refused', async (t) => {
  for (const args of [
    ['--scenario', 'none'],
    ['--protocol', 'quantum'],
    ['--clients', '0'],
    ['--systems', 'mysql'],
    ['--systems', 'pgloom+fast'],
    ['--rounds', '1.5'],
    ['--unknown'],
    ['word'],
  ]) {
    t.throws(() => readArguments(args), BenchUsageError, args.join(' '))
  }
})

t.test('every other round is the other way round', async (t) => {
  t.same(turnOrder(['a', 'b', 'c'], 1), ['a', 'b', 'c'])
  t.same(turnOrder(['a', 'b', 'c'], 2), ['c', 'b', 'a'])
})
