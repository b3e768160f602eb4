import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import pg from 'pg'
import { serialize } from 'pg-protocol'
import t from 'tap'
import { hasProcessFigures, treeRssMiB } from '../../bench/process-cpu.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import { until } from '../support/until.ts'

const ROWS = 100_000
const ALL = 'SELECT repeat(v, 1000) FROM big'
const SORTED = 'SELECT repeat(v, 1000), k FROM big WHERE k % 4 = 0 ORDER BY k'
/** Of a result of 100 MB, and its socket buffers. */
const MAX_GROWTH_MIB = 64
const READ_FIRST_BYTES = 1_000_000
const DEADLINE_MS = 60_000
const ACTIVE = `FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%repeat(v, 1000)%' AND pid <> pg_backend_pid()`
const DATA_ROW = 0x44
const ERROR = 0x45
const READY = 0x5a

t.setTimeout(600_000)

/** Reads as fast as it is told, and only counts. */
class CountingReader {
  rows = 0
  bytes = 0
  sqlState: string | undefined
  errors = 0
  isReady = false
  readonly socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  /** Goes on reading, however much there is. */
  #isCurious = true

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => undefined)
  }

  static async connect(url: string): Promise<CountingReader> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    await once(socket, 'connect')
    const reader = new CountingReader(socket)
    socket.write(serialize.startup({ user: 'app', database: 'app' }))
    await reader.ready()
    return reader
  }

  /** Sends, and stops reading when the answer has well begun. */
  async begin(sql: string): Promise<void> {
    this.rows = 0
    this.bytes = 0
    this.errors = 0
    this.isReady = false
    this.socket.write(serialize.query(sql))
    this.#isCurious = false
    await until('rows', DEADLINE_MS, async () => this.bytes > READ_FIRST_BYTES)
  }

  async ready(): Promise<void> {
    this.#isCurious = true
    this.socket.resume()
    await until('ReadyForQuery', DEADLINE_MS, async () => this.isReady)
  }

  #read(chunk: Buffer): void {
    this.bytes += chunk.length
    if (!this.#isCurious && this.bytes > READ_FIRST_BYTES) this.socket.pause()
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (all.length - at >= 5) {
      const end = at + 1 + all.readInt32BE(at + 1)
      if (end > all.length) break
      this.#message(all.subarray(at, end))
      at = end
    }
    this.#rest = all.subarray(at)
  }

  #message(frame: Buffer): void {
    if (frame[0] === DATA_ROW) this.rows++
    if (frame[0] === READY) this.isReady = true
    if (frame[0] !== ERROR) return
    this.errors++
    this.sqlState = /\0C(\w{5})\0/.exec(frame.toString('latin1'))?.[1]
  }
}

async function ask(url: string, sql: string): Promise<string> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<string[]>({ text: sql, rowMode: 'array' })
    return String(rows[0]?.[0])
  } finally {
    await client.end()
  }
}

t.test('results larger than memory should hold', async (t) => {
  const cluster = await ServeCluster.start(t, 2)
  const proxy = await cluster.startProxy()
  const workers = cluster.nodeUrls.slice(1)
  const setup = await RawClient.connect(proxy.url)
  await setup.run(`CREATE TABLE big (k int PRIMARY KEY, v text); SELECT create_distributed_table('big', 'k', shard_count => 4);
    INSERT INTO big SELECT g, 'x' FROM generate_series(1, ${ROWS}) g`)
  const active = async (): Promise<number> => {
    const counts = await Promise.all(workers.map((url) => ask(url, `SELECT count(*) ${ACTIVE}`)))
    return counts.reduce((sum, count) => sum + Number(count), 0)
  }
  const allWait = async (): Promise<boolean> => {
    const counts = await Promise.all(
      workers.map((url) => ask(url, `SELECT count(*) ${ACTIVE} AND wait_event = 'ClientWrite'`)),
    )
    return counts.every((count) => count !== '0')
  }

  await t.test('the servers wait for a client that reads slowly; memory stays flat', async (t) => {
    const reader = await CountingReader.connect(proxy.url)
    const before = hasProcessFigures ? treeRssMiB(proxy.pid) : 0
    await reader.begin(ALL)
    await until('the servers wait', DEADLINE_MS, allWait)
    if (hasProcessFigures) {
      const growth = treeRssMiB(proxy.pid) - before
      t.ok(growth < MAX_GROWTH_MIB, `grown by ${growth.toFixed(0)} MiB`)
    }
    t.equal(await setup.value('SELECT count(*) FROM big WHERE k = 7'), '1', 'others are served')
    await reader.ready()
    t.equal(reader.rows, ROWS)
    t.equal(reader.errors, 0)
    await reader.begin(SORTED)
    if (hasProcessFigures) {
      const growth = treeRssMiB(proxy.pid) - before
      t.ok(growth < MAX_GROWTH_MIB, `grown by ${growth.toFixed(0)} MiB when sorted`)
    }
    await reader.ready()
    t.equal(reader.rows, ROWS / 4)
    reader.socket.destroy()
  })

  await t.test('the shards stop when the client is gone', async () => {
    const reader = await CountingReader.connect(proxy.url)
    await reader.begin(ALL)
    await until('the servers wait', DEADLINE_MS, allWait)
    reader.socket.destroy()
    await until('nothing runs', DEADLINE_MS, async () => (await active()) === 0)
  })

  await t.test('a LIMIT that is full stops the shards', async (t) => {
    t.equal((await setup.run(`${ALL} LIMIT 5`)).results[0]?.rows.length, 5)
    await until('nothing runs', DEADLINE_MS, async () => (await active()) === 0)
    t.equal(await setup.value('SELECT count(*) FROM big'), String(ROWS))
  })

  await t.test('one error when a node dies meanwhile', async (t) => {
    const reader = await CountingReader.connect(proxy.url)
    await reader.begin(ALL)
    await until('the servers wait', DEADLINE_MS, allWait)
    const [victim = '', survivor = ''] = workers
    const postmaster = await ask(
      victim,
      `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)`,
    )
    process.kill(Number(postmaster), 'SIGQUIT')
    await reader.ready()
    t.equal(reader.errors, 1)
    t.match(reader.sqlState, /^(08006|57P0[12])$/)
    const here = await ask(
      survivor,
      `SELECT k FROM (SELECT max(k) AS k FROM pg_catalog.generate_series(1, 3) k) s`,
    )
    t.equal(here, '3')
    reader.isReady = false
    reader.socket.write(serialize.query('SELECT 1'))
    await reader.ready()
    t.equal(reader.errors, 1, 'the session goes on')
    t.equal(await setup.value('SELECT 1'), '1', 'and so do others')
    await until(
      'nothing runs',
      DEADLINE_MS,
      async () => (await ask(survivor, `SELECT count(*) ${ACTIVE}`)) === '0',
    )
    reader.socket.destroy()
  })
  setup.close()
})
