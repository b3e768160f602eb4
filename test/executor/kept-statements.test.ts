import t from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { Executor } from '../../lib/executor/executor.ts'
import { query } from '../../lib/executor/node-client.ts'
import type { ScatterSelect, SelectPlan, ShardText } from '../../lib/planner/plan.ts'
import { execution, executorWorld, type World } from '../support/executor-world.ts'

const INT8 = 20
const PREPARED = `SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pgloom%'`

const executor = new Executor({
  callFunction: async () => ({ columns: [], rows: [] }),
  parameterTypes: async () => [],
  runDdl: async () => '',
  refreshSizes: async () => undefined,
})

function lookup(
  { events }: World,
  text: string,
  more: Partial<Pick<ScatterSelect, 'combine'>> = {},
): SelectPlan {
  const pieces = text.split('§').map((piece) => Buffer.from(piece))
  const worker: ShardText = { pieces, holeTables: pieces.slice(1).map(() => events) }
  const pins = [{ table: events, values: undefined }]
  return {
    kind: 'select',
    routed: { pins, splices: [], isShapeStable: false, isReadOnly: true, runsCode: false },
    multi: () => ({
      kind: 'scatter',
      table: events,
      pins: [],
      worker,
      combine: undefined,
      parameters: [1],
      rowLimit: undefined,
      locksRows: false,
      usesTransactionTime: false,
      ...more,
    }),
  }
}

function withValue(value: string, types: readonly number[] = [INT8]) {
  const parameters = { types, formats: [], values: [Buffer.from(value)] }
  return execution('', { parameters, sendsRowDescription: false, keepsStatement: 'named' })
}

t.test('a statement for all shards, prepared by the client', async (t) => {
  const world = await executorWorld(t, 2)
  const { context, client } = world
  const connections = async (): Promise<BackendConnection[]> =>
    Promise.all([context.connection(2, 'read'), context.connection(3, 'read')])
  const prepared = async (): Promise<(string | undefined)[]> => {
    const held = await Promise.all((await connections()).map((one) => query(one, PREPARED)))
    return held.map(({ rows }) => rows[0]?.[0])
  }
  const insert = lookup(
    world,
    'INSERT INTO §.events (tenant_id, id, kind) VALUES ($1, 5, $1::text) RETURNING id',
  )
  await executor.run(
    insert,
    execution('', { ...withValue('9'), keepsStatement: undefined }),
    context,
  )
  client.take()
  const plan = lookup(world, 'SELECT kind, id FROM §.events WHERE id = $1')
  const shards = world.events.shards.length

  t.test('is prepared once for each shard, and once for all sessions', async (t) => {
    for (const value of ['5', '6', '5']) {
      const tag = await executor.run(plan, withValue(value), context)
      t.equal(tag, value === '5' ? `SELECT ${shards}` : 'SELECT 0')
      t.equal(client.take().rows.length, value === '5' ? shards : 0)
    }
    const other = lookup(world, 'SELECT kind, id FROM §.events WHERE id = $1')
    await executor.run(other, withValue('5'), context)
    t.equal(client.take().rows.length, shards)
    const counts = (await prepared()).map(Number)
    const sum = counts.reduce((total, count) => total + count, 0)
    // once it is known to be quick, it is prepared for all of a node's shards together
    t.ok(sum >= shards && sum <= shards + counts.length, `${sum} statements for ${shards} shards`)
  })

  t.test('runs for each shard where it can not run for all together', async (t) => {
    const texts = [
      'SELECT kind, id FROM §.events WHERE id = $1 FOR SHARE',
      'SELECT kind, id FROM §.events WHERE id = $1; -- and a comment',
      'SELECT NULL, $1 AS kind FROM §.events -- and a comment',
    ]
    for (const text of texts) {
      const own = lookup(world, text)
      for (let run = 0; run < 4; run++) {
        t.equal(await executor.run(own, withValue('5'), context), `SELECT ${shards}`)
        t.equal(client.take().rows.length, shards)
      }
    }
  })

  t.test('is another one when its parameter has another type', async (t) => {
    const text = lookup(world, 'SELECT pg_typeof($1), id FROM §.events WHERE id = 5')
    for (const [type, name] of [
      [INT8, 'bigint'],
      [23, 'integer'],
    ] as const) {
      await executor.run(text, withValue('5', [type]), context)
      t.same(new Set(client.take().rows.map(([shown]) => shown)), new Set([name]))
    }
  })

  t.test('is not taken for prepared where it has failed', async (t) => {
    const failing = lookup(world, 'SELECT 1 / ($1::int8 - 5), nosuch FROM §.events')
    for (let attempt = 0; attempt < 2; attempt++) {
      await t.rejects(executor.run(failing, withValue('5'), context), {
        name: 'ServerError',
        sqlState: '42703',
      })
    }
    const dividing = lookup(world, 'SELECT 1 / ($1::int8 - 5) FROM §.events')
    await t.rejects(executor.run(dividing, withValue('5'), context), {
      name: 'ServerError',
      sqlState: '22012',
    })
    await executor.run(dividing, withValue('6'), context)
    t.equal(client.take().rows.length, shards)
  })

  t.test(
    'is prepared again when its columns have changed, or the server has lost it',
    async (t) => {
      const all = lookup(world, 'SELECT * FROM §.events WHERE id = $1')
      await executor.run(all, withValue('5'), context)
      const before = client.take().rows[0]?.length ?? 0
      for (const shard of world.events.shards) {
        const holder = await context.connection(shard.nodeId, 'write')
        await query(holder, `ALTER TABLE "${shard.schema}".events ADD COLUMN more int`)
      }
      await executor.run(all, withValue('5'), context)
      const { rows } = client.take()
      t.equal(rows.length, shards)
      t.equal(rows[0]?.length, before + 1)
      for (const connection of await connections()) await query(connection, 'DEALLOCATE ALL')
      await executor.run(all, withValue('5'), context)
      t.equal(client.take().rows.length, shards)
    },
  )
})
