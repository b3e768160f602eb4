import t from 'tap'
import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { Executor } from '../../lib/executor/executor.ts'
import { query } from '../../lib/executor/node-client.ts'
import { runOnNodes } from '../../lib/executor/scatter/node-parts.ts'
import { ScatterFlow } from '../../lib/executor/scatter/scatter-flow.ts'
import { ServerAnswer } from '../../lib/executor/server-answer.ts'
import { sendQuery } from '../../lib/executor/simple-request.ts'
import { distributeRows } from '../../lib/executor/write/distribute-rows.ts'
import type {
  CombineQuery,
  CopyPlan,
  ScatterSelect,
  SelectPlan,
  ShardText,
} from '../../lib/planner/plan.ts'
import type { InsertThroughScratchPlan } from '../../lib/planner/write/write-plans.ts'
import { execution, executorWorld, type World } from '../support/executor-world.ts'

const executor = new Executor({
  callFunction: async () => ({ columns: [], rows: [] }),
  parameterTypes: async () => [],
  runDdl: async () => '',
  refreshSizes: async () => undefined,
})

function shardText(world: World, text: string): ShardText {
  const pieces = text.split('§').map((piece) => Buffer.from(piece))
  return { pieces, holeTables: pieces.slice(1).map(() => world.events) }
}

function scatterPlan(world: World, text: string, more: Partial<ScatterSelect> = {}): SelectPlan {
  const scatter: ScatterSelect = {
    kind: 'scatter',
    table: world.events,
    pins: [],
    worker: shardText(world, text),
    combine: undefined,
    parameters: [],
    locksRows: false,
    rowLimit: undefined,
    usesTransactionTime: false,
    ...more,
  }
  const pins = [{ table: world.events, values: undefined }]
  return {
    kind: 'select',
    routed: { pins, splices: [], isShapeStable: false, isReadOnly: true, runsCode: false },
    multi: () => scatter,
  }
}

function combineQuery(text: (source: string) => string): CombineQuery {
  return {
    text,
    parameters: [],
    usesTransactionTime: false,
    inexactTypes: [],
    gathered: undefined,
  }
}

/** Text with `§` where the target stands. */
function scratchPlan(world: World, text: string): [InsertThroughScratchPlan, string] {
  const start = text.indexOf('§')
  const plan: InsertThroughScratchPlan = {
    kind: 'insert-through-scratch',
    runsCode: false,
    table: world.events,
    target: { start, end: start + 'events'.length },
    targetSuffix: ' AS events',
    source: undefined,
    upsert: undefined,
    repartition: undefined,
  }
  return [plan, text.replace('§', 'events')]
}

async function fill(world: World, rowCount = 1000): Promise<string> {
  const [plan, text] = scratchPlan(
    world,
    `INSERT INTO § (tenant_id, kind, amount, tags)
     SELECT g % 50, 'kind ' || g % 3, g + 0.25, CASE WHEN g % 7 = 0 THEN NULL ELSE ARRAY['a', g::text] END
     FROM generate_series(1, ${rowCount}) g`,
  )
  return executor.run(plan, execution(text), world.context)
}

for (const workers of [2, 0]) {
  t.test(`with ${workers} workers`, async (t) => {
    const world = await executorWorld(t, workers)
    const { client, context, events } = world

    t.test('INSERT … SELECT goes through scratch to the shards that the hash says', async (t) => {
      t.equal(await fill(world), 'INSERT 0 1000')
      t.same(client.take().rows, [])
      let total = 0
      for (const { nodeId, schema, minHash, maxHash } of events.shards) {
        const connection = await world.connect(nodeId)
        const { rows } = await query(
          connection,
          `SELECT count(*), count(*) FILTER (WHERE hash_record(ROW(tenant_id)) BETWEEN ${minHash} AND ${maxHash}),
             count(*) FILTER (WHERE doubled = amount * 2) FROM ${schema}.events`,
        )
        const [all = '', here, generated] = rows[0] ?? []
        t.equal(all, here)
        t.equal(all, generated)
        total += Number(all)
        connection.close()
      }
      t.equal(total, 1000)
      const left = await query(
        await world.connect(1),
        `SELECT count(*) FROM pg_class WHERE relnamespace = 'pgloom_scratch'::regnamespace`,
      )
      t.same(left.rows, [['0']])
    })

    t.test('plain rows are concatenated under one RowDescription', async (t) => {
      const plan = scatterPlan(world, 'SELECT tenant_id, kind, amount FROM §.events')
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 1000')
      const { types, fields, rows } = client.take()
      t.equal(types, 'TD')
      t.equal(rows.length, 1000)
      t.same(
        fields?.map(({ name, tableOid, typeModifier }) => [name, tableOid, typeModifier]),
        [
          ['tenant_id', events.oid, -1],
          ['kind', events.oid, 24],
          ['amount', events.oid, 655366],
        ],
      )
    })

    t.test('Multigres, slow client: it holds the shards back', async (t) => {
      client.congestEveryBytes = 10_000
      const plan = scatterPlan(world, 'SELECT *, repeat($x$-$x$, 1000) FROM §.events')
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 1000')
      t.equal(client.take().rows.length, 1000)
      t.ok(client.congestions > 2)
      client.congestEveryBytes = Number.POSITIVE_INFINITY
    })

    t.test('rowLimit stops early', async (t) => {
      const plan = scatterPlan(world, 'SELECT 1 FROM §.events', { rowLimit: 7 })
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 7')
      t.equal(client.take().rows.length, 7)
    })

    t.test('partial aggregates are combined from arrays', async (t) => {
      const plan = scatterPlan(
        world,
        'SELECT kind, count(*), sum(amount), max(amount) FROM §.events GROUP BY 1',
        {
          combine: combineQuery(
            (source) =>
              `SELECT c1 AS kind, sum(c2)::int8, sum(c3), max(c4) AS top FROM ${source} GROUP BY 1 ORDER BY 1`,
          ),
        },
      )
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 3')
      const { types, rows, fields } = client.take()
      t.equal(types, 'TD')
      t.same(
        rows.map((row) => row.slice(0, 2)),
        [
          ['kind 0', '333'],
          ['kind 1', '334'],
          ['kind 2', '333'],
        ],
      )
      t.equal(
        rows.reduce((sum, row) => sum + Number(row[2]), 0),
        500750,
      )
      t.same(fields?.map(({ name, typeModifier }) => [name, typeModifier]).at(0), ['kind', 24])
    })

    t.test('array columns are combined by way of a table', async (t) => {
      const plan = scatterPlan(world, 'SELECT tags, id FROM §.events', {
        combine: combineQuery(
          (source) => `SELECT count(*), count(c1), max(cardinality(c1)) FROM ${source}`,
        ),
      })
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 1')
      t.same(client.take().rows, [['1000', '858', '2']])
    })

    t.test('many rows are streamed into a table', async (t) => {
      const plan = scatterPlan(
        world,
        'SELECT tenant_id, kind, amount, repeat(kind, 1000) FROM §.events',
        {
          combine: combineQuery(
            (source) => `SELECT count(*), sum(c3), sum(length(c4)) FROM ${source}`,
          ),
        },
      )
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 1')
      t.same(client.take().rows, [['1000', '500750.00', '6000000']])
    })

    t.test('no rows at all are combined too', async (t) => {
      const plan = scatterPlan(world, 'SELECT tags, kind FROM §.events WHERE false', {
        combine: combineQuery((source) => `SELECT count(*), max(c2) FROM ${source}`),
      })
      t.equal(await executor.run(plan, execution(''), context), 'SELECT 1')
      t.same(client.take().rows, [['0', null]])
    })

    t.test('parameters and result formats are passed on', async (t) => {
      const plan = scatterPlan(
        world,
        'SELECT tenant_id FROM §.events WHERE amount > $1 AND kind = $2',
        {
          parameters: [2, 1],
        },
      )
      const values = [Buffer.from('kind 1'), Buffer.from('990')]
      const parameters = { types: [], formats: [], values }
      const tag = await executor.run(
        plan,
        execution('', { parameters, resultFormats: [1] }),
        context,
      )
      t.equal(tag, 'SELECT 4')
      t.same(
        client
          .take()
          .raw.map(([value]) => value?.readInt32BE())
          .sort(),
        [41, 44, 47, 0].sort(),
      )
    })

    t.test('the first error wins, and the connections stay usable', async (t) => {
      const plan = scatterPlan(world, 'SELECT 10 / (tenant_id - 7) FROM §.events')
      await t.rejects(executor.run(plan, execution(''), context), {
        name: 'ServerError',
        sqlState: '22012',
      })
      client.take()
      const missing = scatterPlan(world, 'SELECT 1 FROM §.nothing')
      await t.rejects(executor.run(missing, execution(''), context), {
        sqlState: '42P01',
        message: 'relation "nothing" does not exist',
      })
      const again = scatterPlan(world, 'SELECT 1 FROM §.events')
      t.equal(await executor.run(again, execution(''), context), 'SELECT 1000')
      client.take()
    })

    t.test('UPDATE on all shards sums the tags', async (t) => {
      const tag = await executor.run(
        {
          kind: 'modify',
          currentOf: undefined,
          routed: {
            pins: [{ table: events, values: undefined }],
            splices: [],
            isShapeStable: false,
            isReadOnly: false,
            runsCode: false,
          },
          multi: () => ({
            kind: 'scatter-modify',
            table: events,
            pins: [],
            worker: shardText(
              world,
              'UPDATE §.events SET amount = amount + 1 WHERE tenant_id < 5 RETURNING tenant_id',
            ),
            parameters: [],
            usesTransactionTime: false,
          }),
        },
        execution(''),
        context,
      )
      t.equal(tag, 'UPDATE 100')
      t.equal(client.take().rows.length, 100)
    })

    t.test('rows of VALUES go to their shards and come back in order', async (t) => {
      const ids = [5, 6, 7, 8, 9, 10]
      const head = 'INSERT INTO events (tenant_id, kind, amount) VALUES '
      let text = head
      const rows = ids.map((id, index) => {
        const start = text.length + (index === 0 ? 0 : 2)
        text += `${index === 0 ? '' : ', '}(${id}, $1, ${index})`
        return {
          range: { start, end: text.length },
          key: { kind: 'constant', text: `${id}` } as const,
        }
      })
      text += ' RETURNING tenant_id, kind'
      const values = rows.map(({ key }) => key)
      const splices = [
        {
          literal: 0,
          delta: 'INSERT INTO '.length,
          length: 0,
          table: events,
          suffix: Buffer.from('.'),
        },
      ]
      const tag = await executor.run(
        {
          kind: 'insert-rows',
          table: events,
          routed: {
            pins: [{ table: events, values }],
            splices,
            isShapeStable: false,
            isReadOnly: false,
            runsCode: false,
          },
          rows,
          hasReturning: true,
          evaluated: () => ({ kind: 'refusal', id: 'expression' }),
        },
        execution(text, { parameters: { types: [], formats: [], values: [Buffer.from('new')] } }),
        context,
      )
      t.equal(tag, 'INSERT 0 6')
      t.same(
        client.take().rows,
        ids.map((id) => [`${id}`, 'new']),
      )
    })

    t.test('COPY goes in and out', async (t) => {
      const text = 'COPY events (tenant_id, kind) FROM STDIN'
      const from: CopyPlan = {
        kind: 'copy',
        table: events,
        direction: 'from',
        target: { start: 5, end: 11 },
        qualifiers: [],
        columns: ['tenant_id', 'kind'],
        format: 'text',
        hasHeader: false,
      }
      client.copyBodies = [Buffer.from('901\tcopied\n902\tco'), Buffer.from('pied\n903\tcopied\n')]
      t.equal(await executor.run(from, execution(text), context), 'COPY 3')
      t.equal(client.take().types, 'G')

      client.copyBodies = [Buffer.from('901\tcopied\nx\tcopied\n')]
      const broken = executor.run(from, execution(text), context)
      await t.rejects(broken, { name: 'ServerError', sqlState: '22P02' })
      const frame = await broken.catch((error: { frame: Buffer }) => error.frame.toString())
      t.match(frame, /COPY events, line 2, column tenant_id: "x"/)
      t.notMatch(frame, /scratch/)
      client.take()

      client.copyBodies = [Buffer.from('\\N\tcopied\n')]
      await t.rejects(executor.run(from, execution(text), context), {
        name: 'RouterError',
        sqlState: '22004',
      })
      client.copyBodies = [Buffer.from('901\tcopied\n'), new Error('gone')]
      await t.rejects(executor.run(from, execution(text), context), { message: 'gone' })
      client.take()

      const to = (format: CopyPlan['format'], options: string, hasHeader = false) =>
        executor.run(
          { ...from, direction: 'to', format, hasHeader },
          execution(`COPY events (tenant_id, kind) TO STDOUT${options}`),
          context,
        )
      t.equal(await to('text', ''), 'COPY 1009')
      const plain = client.take()
      t.equal(plain.types, 'Hdc')
      t.equal(plain.copy.length, 1009)
      t.equal(await to('csv', ' (FORMAT csv, HEADER)', true), 'COPY 1009')
      const csv = client.take().copy.map(String)
      t.same(csv.filter((line) => line === 'tenant_id,kind\n').length, 1)
      t.equal(csv[0], 'tenant_id,kind\n')
      t.equal(csv.length, 1010)
      t.equal(await to('binary', ' (FORMAT binary)'), 'COPY 1009')
      const binary = client.take().copy
      const connection = await world.connect(1)
      await query(connection, 'CREATE TEMP TABLE back (tenant_id int, kind text)')
      const { copyIn } = await import('../../lib/executor/node-client.ts')
      const stream = copyIn(connection, 'COPY back FROM STDIN (FORMAT binary)')
      for (const body of binary) await stream.write(body)
      t.equal(await stream.finish(), 'COPY 1009')
    })

    t.test('a NULL key is refused and nothing stays', async (t) => {
      const [plan, text] = scratchPlan(
        world,
        'INSERT INTO § (tenant_id) SELECT nullif(g, 3) FROM generate_series(1, 5) g',
      )
      await t.rejects(executor.run(plan, execution(text), context), {
        sqlState: '22004',
        message: 'cannot perform an INSERT with NULL in the partition column',
      })
      client.take()
    })

    t.test("an error of the INSERT names the client's table and position", async (t) => {
      const [plan, text] = scratchPlan(world, 'INSERT INTO § (tenant_id, kindly) SELECT 1, 2')
      const failed = executor.run(plan, execution(text), context)
      await t.rejects(failed, {
        sqlState: '42703',
        message: 'column "kindly" of relation "events" does not exist',
      })
      const frame = await failed.catch((error: { frame: Buffer }) => error.frame.toString())
      t.match(frame, new RegExp(`P${text.indexOf('kindly') + 1}\0`))
    })

    t.test('a cancelled statement leaves usable connections', async (t) => {
      const { RouterError } = await import('../../lib/base/errors.ts')
      const own = { ...context, signal: AbortSignal.timeout(200) }
      Object.defineProperty(own.signal, 'reason', {
        get: () => new RouterError('57014', 'canceling statement'),
      })
      const plan = scatterPlan(world, 'SELECT pg_sleep(600) FROM §.events LIMIT 1')
      await t.rejects(executor.run(plan, execution(''), own), {
        name: 'RouterError',
        sqlState: '57014',
      })
      client.take()
      t.equal(
        await executor.run(scatterPlan(world, 'SELECT 1 FROM §.events'), execution(''), context),
        'SELECT 1009',
      )
      client.take()
    })

    t.test('a node that can not be asked ends what the others were asked', async (t) => {
      if (workers === 0) return
      const own = new Map<number, BackendConnection>()
      const connection = async (nodeId: number) => {
        const found = own.get(nodeId) ?? (await world.connect(nodeId))
        own.set(nodeId, found)
        return found
      }
      const ask = (sql: string, open: (second: BackendConnection) => void) => {
        let count = 0
        return runOnNodes(
          events.shards,
          'read',
          { ...context, connection },
          new ScatterFlow(),
          (c) => {
            count += 1
            if (count === 1) return sendQuery(c, sql)
            open(c)
            throw new Error('no request')
          },
        )
      }
      await t.rejects(
        ask('SELECT pg_sleep(600)', () => undefined),
        { message: 'no request' },
      )
      const [first, second] = [...own.values()]
      t.same([first?.state, first?.openRequests], ['ready', 0], 'it can be used again')
      t.equal(second?.state, 'ready')
      await t.rejects(
        ask('SELECT 1', (c) => c.open(new ServerAnswer())),
        { message: 'no request' },
      )
      t.same([first?.state, second?.state], ['ready', 'closed'], 'half a request is never sent')
    })

    t.test('existing rows are distributed as a stream', async (t) => {
      const source = await world.connect(1)
      await query(
        source,
        `BEGIN; INSERT INTO events (tenant_id, kind, amount) SELECT g, 'x', 1 FROM generate_series(1, 50000) g`,
      )
      const targets = new Map<number, Awaited<ReturnType<World['connect']>>>()
      const seen: number[] = []
      const count = await distributeRows({
        source,
        from: 'ONLY "public"."events"',
        table: events,
        target: async ({ nodeId }) => {
          const known = targets.get(nodeId)
          if (known !== undefined) return known
          const connection = await world.connect(nodeId)
          targets.set(nodeId, connection)
          await query(connection, 'BEGIN')
          return connection
        },
        signal: new AbortController().signal,
        catalog: world.catalog,
        onProgress: (rows) => seen.push(rows),
      })
      t.equal(count, 50_000)
      t.equal(seen.at(-1), 50_000)
      for (const connection of [source, ...targets.values()]) await query(connection, 'ROLLBACK')
    })
  })
}
