import t from 'tap'
import { RestartPolicy } from '../../lib/processes/restart-policy.ts'

t.test('RestartPolicy', async (t) => {
  t.test('starts again at once, then later and later', async (t) => {
    const policy = new RestartPolicy(2, () => 0)
    const delays = Array.from({ length: 5 }, () => policy.restartDelayMs(1, 'crash'))
    t.same(delays, [0, 100, 200, 400, 800])
    t.equal(policy.restartDelayMs(2, 'crash'), 0, 'each process by itself')
  })

  t.test('gives up after many crashes within a minute', async (t) => {
    let nowMs = 0
    const policy = new RestartPolicy(1, () => nowMs)
    for (let crash = 0; crash < 9; crash++) t.type(policy.restartDelayMs(1, 'crash'), 'number')
    t.equal(policy.restartDelayMs(1, 'crash'), undefined)
    nowMs = 60_001
    t.equal(policy.restartDelayMs(1, 'crash'), 0, 'old ones are forgotten')
  })

  t.test('never gives up on starts that fail for a reason', async (t) => {
    const policy = new RestartPolicy(1, () => 0)
    for (let start = 0; start < 100; start++) policy.restartDelayMs(1, 'failed start')
    t.equal(policy.restartDelayMs(1, 'failed start'), 10_000)
  })
})
