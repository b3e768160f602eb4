import t from 'tap'
import type { DistributedTable } from '../../lib/catalog/catalog.ts'
import { type HashRange, shardOfHash, splitHashSpace } from '../../lib/catalog/shard-map.ts'

function tableOf(ranges: readonly HashRange[]): DistributedTable {
  const column = {
    name: 'key',
    attributeNumber: 1,
    typeOid: 23,
    typeModifier: -1,
    typeName: 'integer',
    collation: undefined,
    isNotNull: true,
    hasDefault: false,
    isGenerated: false,
  }
  return {
    kind: 'distributed',
    oid: 1,
    schema: 'public',
    name: 'events',
    columns: [column],
    colocationId: 1,
    primaryKey: [],
    hasTriggers: false,
    distributionColumn: column,
    shards: ranges.map((range, index) => ({
      ...range,
      index,
      shardId: 102008 + index,
      nodeId: 1,
      schema: `pgloom_${index}`,
    })),
  }
}

t.test('splitHashSpace', async (t) => {
  t.test('cuts 32 shards where Citus cuts them', async (t) => {
    const ranges = splitHashSpace(32)
    t.same(ranges[0], { minHash: -2147483648, maxHash: -2013265921 })
    t.same(ranges[31], { minHash: 2013265920, maxHash: 2147483647 })
  })

  t.test('covers every hash once for any count', async (t) => {
    for (const count of [1, 2, 3, 7, 32, 1000, 64000]) {
      const ranges = splitHashSpace(count)
      t.equal(ranges[0]?.minHash, -2147483648)
      t.equal(ranges.at(-1)?.maxHash, 2147483647)
      t.notOk(
        ranges.some((range, i) => i > 0 && range.minHash !== (ranges[i - 1]?.maxHash ?? 0) + 1),
      )
    }
  })
})

t.test('shardOfHash', async (t) => {
  t.test('finds every bound of uniform ranges', async (t) => {
    for (const count of [1, 3, 32, 1000]) {
      const table = tableOf(splitHashSpace(count))
      t.ok(
        table.shards.every(
          (shard) =>
            shardOfHash(table, shard.minHash) === shard &&
            shardOfHash(table, shard.maxHash) === shard,
        ),
      )
    }
  })

  t.test('finds shards of ranges that were split unevenly', async (t) => {
    const table = tableOf([
      { minHash: -2147483648, maxHash: -2147483648 },
      { minHash: -2147483647, maxHash: 5 },
      { minHash: 6, maxHash: 2147483647 },
    ])
    t.equal(shardOfHash(table, -2147483648).index, 0)
    t.equal(shardOfHash(table, 0).index, 1)
    t.equal(shardOfHash(table, 5).index, 1)
    t.equal(shardOfHash(table, 6).index, 2)
    t.equal(shardOfHash(table, 2147483647).index, 2)
  })
})
