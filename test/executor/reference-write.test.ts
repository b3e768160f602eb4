import t from 'tap'
import type { DistributedTable, ReferenceTable } from '../../lib/catalog/catalog.ts'
import { Executor } from '../../lib/executor/executor.ts'
import { query } from '../../lib/executor/node-client.ts'
import { distributeRows } from '../../lib/executor/write/distribute-rows.ts'
import { EVENTS_DDL, execution, executorWorld } from '../support/executor-world.ts'

t.test('reference tables and shards on the coordinator', async (t) => {
  const world = await executorWorld(t, 2)
  const { catalog, client, context, events } = world
  const executor = new Executor({
    parameterTypes: async () => [],
    callFunction: async () => ({
      columns: [
        { name: 'f', typeOid: 2278, typeSize: 4 },
        { name: 'n', typeOid: 20, typeSize: 8 },
      ],
      rows: [['', '7']],
    }),
    runDdl: async () => '',
    refreshSizes: async () => undefined,
  })
  const connections = await Promise.all(catalog.nodes.map(({ nodeId }) => world.connect(nodeId)))
  for (const connection of connections) {
    await query(connection, 'CREATE TABLE countries (code text PRIMARY KEY, name text)')
  }
  const countries: ReferenceTable = {
    kind: 'reference',
    oid: 1,
    schema: 'public',
    name: 'countries',
    columns: events.columns.slice(0, 2).map((column, index) => ({
      ...column,
      name: index === 0 ? 'code' : 'name',
      hasDefault: false,
    })),
    colocationId: 2,
    primaryKey: ['code'],
    hasTriggers: false,
    shardId: 1,
  }
  const plan = { kind: 'reference-write', table: countries } as const
  const copies = () =>
    Promise.all(
      connections.map(
        async (connection) =>
          (
            await query(
              connection,
              `SELECT string_agg(code || name, ',' ORDER BY code) FROM countries`,
            )
          ).rows[0]?.[0],
      ),
    )

  t.test('a write goes to all nodes, its answer is one', async (t) => {
    const text = `INSERT INTO countries VALUES ('de', $1), ('nl', 'N') RETURNING code`
    const parameters = { types: [], formats: [], values: [Buffer.from('D')] }
    t.equal(await executor.run(plan, execution(text, { parameters }), context), 'INSERT 0 2')
    t.same(client.take().rows, [['de'], ['nl']])
    t.same(await copies(), ['deD,nlN', 'deD,nlN', 'deD,nlN'])
  })

  t.test('COPY goes to all nodes', async (t) => {
    client.copyBodies = [Buffer.from('us\tU\nfr\tF\n')]
    const copy = {
      kind: 'copy',
      table: countries,
      direction: 'from',
      target: { start: 5, end: 14 },
      qualifiers: [],
      columns: ['code', 'name'],
      format: 'text',
      hasHeader: false,
    } as const
    t.equal(await executor.run(copy, execution('COPY countries FROM STDIN'), context), 'COPY 2')
    t.same(new Set(await copies()), new Set(['deD,frF,nlN,usU']))
    client.take()
  })

  t.test('copies that differ are noticed, and nothing is changed', async (t) => {
    const [, worker] = connections
    if (worker !== undefined) await query(worker, `DELETE FROM countries WHERE code = 'nl'`)
    const text = `UPDATE countries SET name = 'x'`
    await t.rejects(executor.run(plan, execution(text), context), {
      name: 'RouterError',
      sqlState: 'XX000',
    })
    t.same(await copies(), ['deD,frF,nlN,usU', 'deD,frF,usU', 'deD,frF,nlN,usU'])
  })

  t.test("an error on the coordinator is the client's, with its position", async (t) => {
    const text = `UPDATE countries SET nothing = 1`
    const failed = executor.run(plan, execution(text, { positionBase: 100 }), context)
    const frame = await failed.catch((error: { frame: Buffer }) => error.frame.toString())
    t.match(frame, new RegExp(`P${100 + text.indexOf('nothing') + 1}\0`))
  })

  t.test('function results, text and binary', async (t) => {
    const call = {
      kind: 'function',
      name: 'f',
      arguments: [],
      parameters: [],
      inFrom: false,
    } as const
    t.equal(await executor.run(call, execution('', { resultFormats: [0, 1] }), context), 'SELECT 1')
    const { types, raw } = client.take()
    t.equal(types, 'TD')
    t.same(raw, [[Buffer.alloc(0), Buffer.from([0, 0, 0, 0, 0, 0, 0, 7])]])
  })

  t.test('the coordinator may hold some of the shards', async (t) => {
    const [coordinator] = connections
    if (coordinator === undefined) return
    await query(
      coordinator,
      `CREATE SCHEMA pgloom_1; SET search_path = pgloom_1; ${EVENTS_DDL}; RESET search_path`,
    )
    const shards = events.shards.map((shard, index) =>
      index === 0 ? { ...shard, nodeId: 1 } : shard,
    )
    const mixed: DistributedTable = { ...events, shards }
    await query(
      coordinator,
      'BEGIN; INSERT INTO events (tenant_id) SELECT generate_series(1, 1000)',
    )
    const count = await distributeRows({
      source: coordinator,
      from: 'ONLY public.events',
      table: mixed,
      target: async ({ nodeId }) => context.connection(nodeId, 'write'),
      signal: context.signal,
      catalog: context.catalog,
    })
    t.equal(count, 1000)
    const { rows } = await query(
      coordinator,
      `SELECT (SELECT count(*) FROM pgloom_1.events) = (SELECT count(*) FROM events
         WHERE hash_record(ROW(tenant_id)) BETWEEN ${shards[0]?.minHash} AND ${shards[0]?.maxHash})`,
    )
    t.same(rows, [['t']])
    await query(coordinator, 'ROLLBACK')
  })
})
