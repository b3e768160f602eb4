import t from 'tap'
import { ServiceTime, StatementTimes } from '../../lib/backend/service-time.ts'

const SMALL = 100

function learned(): ServiceTime {
  const time = new ServiceTime()
  for (let run = 0; run < 3; run++) time.note(0.2, SMALL, run, true)
  return time
}

t.test('ServiceTime', async (t) => {
  t.test('lets nobody share a connection before it knows three runs', async (t) => {
    const time = new ServiceTime()
    t.notOk(time.isFast(0))
    time.note(0.2, SMALL, 0, true)
    time.note(0.2, SMALL, 1, true)
    t.notOk(time.isFast(1))
    time.note(0.2, SMALL, 2, true)
    t.ok(time.isFast(2))
  })

  t.test('judges by the fastest run: a busy machine only adds', async (t) => {
    const time = new ServiceTime()
    for (const ms of [30, 0.3, 25]) time.note(ms, SMALL, 0, true)
    t.ok(time.isFast(0))
    const slow = new ServiceTime()
    for (const ms of [30, 12, 25]) slow.note(ms, SMALL, 0, true)
    t.notOk(slow.isFast(0))
  })

  t.test('keeps big answers off', async (t) => {
    const time = new ServiceTime()
    for (let run = 0; run < 3; run++) time.note(0.2, 100_000, run, true)
    t.notOk(time.isFast(3))
    const grown = learned()
    grown.note(0.2, 600_000, 4, false)
    t.notOk(grown.isFast(4), 'a single huge one is enough')
  })

  t.test(
    'demotes what stalls where others don’t, and probes it again after ten seconds',
    async (t) => {
      const time = learned()
      const neighbour = learned()
      let nowMs = 0
      for (let stall = 0; stall < 10 && time.isFast(nowMs); stall++) {
        nowMs += 200
        for (let run = 0; run < 300; run++) neighbour.note(0.2, SMALL, nowMs, false)
        time.note(100, SMALL, nowMs, false)
      }
      t.ok(neighbour.isFast(nowMs))
      t.notOk(time.isFast(nowMs))
      t.notOk(time.isFast(nowMs + 9_000))
      t.notOk(time.isFast(nowMs + 11_000), 'it is learned anew')
      for (let run = 0; run < 3; run++) time.note(0.2, SMALL, nowMs + 11_000, true)
      t.ok(time.isFast(nowMs + 11_000))
    },
  )

  t.test(
    'charges nobody with what all suffer at once, however rarely each is at work',
    async (t) => {
      const shards = Array.from({ length: 32 }, () => learned())
      for (let nowMs = 1000; nowMs < 11_000; nowMs += 100) {
        for (const shard of shards) {
          for (let run = 0; run < 10; run++) shard.note(0.2, SMALL, nowMs, false)
        }
        // one after the other, and twice the same first
        const [first] = shards
        first?.note(30, SMALL, nowMs + 50, false)
        for (const shard of shards) shard.note(30, SMALL, nowMs + 51, false)
      }
      t.equal(shards.filter((shard) => shard.isFast(11_000)).length, 32)
    },
  )

  t.test('is told of runs alone only while it is learning', async (t) => {
    const time = learned()
    for (let run = 0; run < 10; run++) time.note(500, SMALL, 1000 * run, true)
    t.ok(time.isFast(10_000))
  })
})

t.test('StatementTimes keeps shards apart', async (t) => {
  const times = new StatementTimes()
  t.equal(times.of(3), times.of(3))
  t.not(times.of(3), times.of(4))
  t.equal(times.of(undefined), times.of(undefined))
})
