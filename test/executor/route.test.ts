import t from 'tap'
import type { DistributedTable } from '../../lib/catalog/catalog.ts'
import { splitHashSpace } from '../../lib/catalog/shard-map.ts'
import { keysOf } from '../../lib/executor/execution-keys.ts'
import { PositionMap } from '../../lib/executor/relay/position-map.ts'
import { allowedShards, MANY, NONE, resolveInsert, resolvePins } from '../../lib/executor/route.ts'
import { ShardStatement } from '../../lib/executor/shard-statement.ts'
import type { KeySource, Pin } from '../../lib/planner/plan.ts'

const column = {
  name: 'tenant_id',
  attributeNumber: 1,
  typeOid: 23,
  typeModifier: -1,
  typeName: 'integer',
  collation: undefined,
  isNotNull: false,
  hasDefault: false,
  isGenerated: false,
}
const table: DistributedTable = {
  kind: 'distributed',
  oid: 20000,
  schema: 'public',
  name: 'events',
  columns: [column],
  colocationId: 1,
  primaryKey: [],
  hasTriggers: false,
  distributionColumn: column,
  shards: splitHashSpace(32).map((range, index) => ({
    ...range,
    shardId: 102008 + index,
    index,
    nodeId: 1,
    schema: `pgloom_${index + 1}`,
  })),
}

const NO_PARAMETERS = { types: [], formats: [], values: [] }
const constant = (text: string): KeySource => ({ kind: 'constant', text })
const nothing: KeySource = { kind: 'nothing' }
const pin = (...values: KeySource[]): Pin => ({ table, values })
const unpinned: Pin = { table, values: undefined }
const keys = keysOf(Buffer.from(''), NO_PARAMETERS)

t.test('resolvePins', async (t) => {
  const one = resolvePins([pin(constant('1'))], keys)
  t.ok(one >= 0)
  t.equal(resolvePins([pin(constant('1')), pin(constant('1'), constant('1'))], keys), one)
  t.equal(resolvePins([pin(constant('1')), pin(constant('2'))], keys), MANY)
  t.equal(resolvePins([pin(constant('1')), unpinned], keys), MANY)
  t.equal(resolvePins([pin(nothing)], keys), NONE)
  t.equal(resolvePins([pin(nothing), pin(constant('1'))], keys), one)
  t.equal(resolvePins([pin()], keys), NONE)
  t.equal(resolvePins([pin(constant('1.5'))], keys), MANY, 'no guess about other types')

  t.test('reads parameters by their declared type and format', async (t) => {
    const source: KeySource = { kind: 'parameter', number: 1 }
    const route = (types: number[], formats: number[], value: Buffer | undefined) =>
      resolvePins([pin(source)], keysOf(Buffer.from(''), { types, formats, values: [value] }))
    t.equal(route([], [], Buffer.from('1')), one)
    t.equal(route([23], [1], Buffer.from([0, 0, 0, 1])), one)
    t.equal(route([20], [1], Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])), one)
    t.equal(route([1700], [], Buffer.from('1')), MANY)
    t.equal(route([25], [], Buffer.from('1')), MANY)
    t.equal(route([], [], undefined), NONE)
  })

  t.test('reads literals of the text at hand', async (t) => {
    const text = Buffer.from(`SELECT 'x' FROM events WHERE tenant_id = -1`)
    const source: KeySource = { kind: 'literal', ordinal: 1, negative: true }
    t.equal(
      resolvePins([pin(source)], keysOf(text, NO_PARAMETERS)),
      resolvePins([pin(constant('-1'))], keys),
    )
  })
})

t.test('an INSERT of NULL is refused', async (t) => {
  t.throws(
    () =>
      resolveInsert(
        {
          table,
          rows: [constant('1'), nothing].map((key) => ({ key, range: { start: 0, end: 0 } })),
          routed: {
            pins: [],
            splices: [],
            isShapeStable: true,
            isReadOnly: false,
            runsCode: false,
          },
        },
        keys,
      ),
    {
      name: 'RouterError',
      sqlState: '22004',
    },
  )
})

t.test('allowedShards', async (t) => {
  const count = (...pins: Pin[]) => allowedShards(table, pins, keys).length
  t.equal(count(), 32)
  t.equal(count(unpinned), 32)
  t.equal(count(pin(constant('1'), constant('2'), constant('3'))), 3)
  t.equal(count(pin(constant('1'), constant('2')), pin(constant('2'))), 1)
  t.equal(count(pin(nothing)), 1, 'an empty answer still needs one shard')
  t.equal(count(pin(constant('x'))), 32)
})

t.test('splicing, and positions mapped back', async (t) => {
  const text = Buffer.from(
    `SELECT 'ä', public.events.x FROM public.events WHERE tenant_id = 1 AND wrong`,
  )
  const at = (needle: string, from = 0) => text.indexOf(needle, from)
  const literalEnd = at(`'ä'`) + Buffer.byteLength(`'ä'`)
  const first = at('public.')
  const second = at('public.', first + 1)
  const suffix = Buffer.from('.')
  const splices = [first, second].map((start) => ({
    literal: 1,
    delta: start - literalEnd,
    length: 'public.'.length,
    table,
    suffix,
  }))
  const positions = new PositionMap()
  const sent = new ShardStatement(text, splices).textFor(11, positions, 100)
  t.equal(
    sent.toString(),
    `SELECT 'ä', "pgloom_12".events.x FROM "pgloom_12".events WHERE tenant_id = 1 AND wrong`,
  )
  const characters = (haystack: Buffer, needle: string) => haystack.toString().indexOf(needle) + 1
  for (const needle of ['SELECT', 'events.x', 'FROM', 'wrong']) {
    t.equal(positions.toOriginal(characters(sent, needle)), 100 + characters(text, needle), needle)
  }
  t.equal(positions.toOriginal(characters(sent, 'pgloom_12')), 100 + characters(text, 'public'))
})
