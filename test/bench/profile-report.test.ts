import t from 'tap'
import { selfTimes } from '../../bench/profile-report.ts'

t.test('self times are parts of the busy time, most first', async (t) => {
  const node = (id: number, functionName: string, url = '') => {
    return { id, callFrame: { functionName, url, lineNumber: 6 } }
  }
  const profile = {
    nodes: [node(1, '(idle)'), node(2, 'read', 'file:///x/lexer.js'), node(3, '(program)')],
    samples: [1, 2, 3, 2],
    timeDeltas: [900, 20, 25, 55],
  }
  t.same(selfTimes(profile), [
    { name: 'read lexer.js:7', percent: 75 },
    { name: '(program)', percent: 25 },
  ])
})
