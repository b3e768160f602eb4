import t from 'tap'
import { LruMap } from '../../lib/base/lru-map.ts'

function world(capacity: number) {
  const evicted: string[] = []
  const map = new LruMap<string, number>(capacity, (key, value) => evicted.push(`${key}=${value}`))
  return { map, evicted }
}

t.test('one too many drops the oldest that nobody has asked for', async (t) => {
  const { map, evicted } = world(3)
  for (const [value, key] of ['a', 'b', 'c'].entries()) map.set(key, value)
  t.equal(map.get('a'), 0)
  t.equal(map.peek('b'), 1)
  map.set('d', 3)
  t.same(evicted, ['b=1'])
  t.equal(map.get('b'), undefined)
  t.equal(map.size, 3)
})

t.test('when all were asked for the oldest goes', async (t) => {
  const { map, evicted } = world(2)
  map.set('a', 0)
  map.set('b', 1)
  map.get('a')
  map.get('b')
  map.set('c', 2)
  t.same(evicted, ['a=0'])
  map.set('d', 3)
  t.same(evicted, ['a=0', 'b=1'], 'what was spared once has had its chance')
})

t.test('to set anew drops nobody', async (t) => {
  const { map, evicted } = world(2)
  map.set('a', 0)
  map.set('b', 1)
  map.set('a', 5)
  t.same(evicted, [])
  t.equal(map.get('a'), 5)
  t.ok(map.delete('a'))
  t.equal(map.size, 1)
})

t.test('a capacity below one is refused', async (t) => {
  t.throws(() => new LruMap(0), RangeError)
})
