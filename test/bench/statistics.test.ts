import t from 'tap'
import { median, percentile } from '../../bench/statistics.ts'

t.test('the median is the middle value, or the mean of the two in the middle', async (t) => {
  t.equal(median([]), undefined)
  t.equal(median([7]), 7)
  t.equal(median([10, 9, 100]), 10)
  t.equal(median([4, 1, 3, 2]), 2.5)
})

t.test('a percentile is a value of the list: the nearest rank', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  t.equal(percentile(hundred, 0.99), 99)
  t.equal(percentile(hundred, 0.5), 50)
  t.equal(percentile([5], 0.99), 5)
  t.equal(percentile([1, 2], 0), 1)
  t.equal(percentile([], 0.5), undefined)
})
