import { connect, type Socket } from 'node:net'

export type TaggedTotals = {
  answered: number
  errors: number
  cancelled: number
  disconnects: number
  /** What came where something else was due. */
  readonly wrong: string[]
}

type Expectation = {
  readonly value: string | undefined
  readonly sqlState: string | undefined
  /** 57014 may come instead. */
  readonly isCancelled?: boolean
  readonly status: string
}

const QUERY = 0x51
const ROWS = 1000
const MAX_REPORTS = 20
/** Each row is looked for on all shards. */
const SPREAD = [
  'ALTER TABLE tagged_rows ADD CONSTRAINT tagged_rows_key UNIQUE (tag, id)',
  'ALTER TABLE tagged_rows DROP CONSTRAINT tagged_rows_pkey',
  "SELECT create_distributed_table('tagged_rows', 'tag')",
]

function message(type: number, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
  )
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function query(sql: string): Buffer {
  return message(QUERY, `${sql}\0`)
}

const NOTHING_MORE = Buffer.from([0, 0])
const SYNC = message(0x53)
/** Of the unnamed statement: the same text for all clients. */
const PARSE = message(0x50, '\0', 'SELECT $1::text\0', NOTHING_MORE)

function execution(name: string, value: string): Buffer {
  const length = Buffer.alloc(8)
  length.writeInt16BE(0, 0)
  length.writeInt16BE(1, 2)
  length.writeInt32BE(Buffer.byteLength(value), 4)
  const bind = message(0x42, '\0', `${name}\0`, length, value, NOTHING_MORE)
  return Buffer.concat([bind, message(0x45, '\0', Buffer.alloc(4)), SYNC])
}

function startup(user: string, database: string): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8, 0)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, body])
}

/**
 * Clients that mix all that may go wrong on shared connections: every statement carries its own tag, and every answer must
 * be exactly its own. Speaks the protocol by itself, so that nothing is forgiven. Leaves a small table, tagged_rows, behind.
 */
export async function runTaggedClients(
  url: string,
  clients: number,
  statements: number,
  totals: TaggedTotals,
  place: 'coordinator' | 'all shards' = 'coordinator',
): Promise<void> {
  const share = Math.ceil(statements / clients)
  await new TaggedClient(url, clients, totals).fill(place === 'all shards' ? SPREAD : [])
  const all = Array.from({ length: clients }, (_, id) =>
    new TaggedClient(url, id, totals).run(share),
  )
  await Promise.all(all)
}

export function noTotals(): TaggedTotals {
  return { answered: 0, errors: 0, cancelled: 0, disconnects: 0, wrong: [] }
}

class TaggedClient {
  readonly #url: URL
  readonly #id: number
  readonly #totals: TaggedTotals
  #socket: Socket | undefined
  #pending: Buffer = Buffer.alloc(0)
  #key: Buffer = Buffer.alloc(8)
  #value: string | undefined
  #sqlState: string | undefined
  #rows = 0
  #answer: ((status: string) => void) | undefined
  #lost: ((error: Error) => void) | undefined
  #count = 0

  constructor(url: string, id: number, totals: TaggedTotals) {
    this.#url = new URL(url)
    this.#id = id
    this.#totals = totals
  }

  async run(statements: number): Promise<void> {
    await this.#connect()
    while (this.#count < statements) await this.#one()
    this.#socket?.destroy()
  }

  /** Rows that carry their key as a tag. */
  async fill(last: readonly string[]): Promise<void> {
    const done = { value: undefined, sqlState: undefined, status: 'I' }
    await this.#connect()
    await this.#ask(query('DROP TABLE IF EXISTS tagged_rows'), done)
    const columns = `SELECT id, 'row ' || id AS tag FROM generate_series(1, ${ROWS}) id`
    await this.#ask(query(`CREATE TABLE tagged_rows AS ${columns}`), done)
    await this.#ask(query('ALTER TABLE tagged_rows ADD PRIMARY KEY (id)'), done)
    this.#totals.answered -= 3
    for (const command of last) {
      const answer = command.startsWith('SELECT') ? value('') : done
      await this.#ask(query(command), answer)
      this.#totals.answered--
    }
    this.#lost = undefined
    this.#socket?.destroy()
  }

  /** As drivers send it that know no parameters. */
  #pointRead(): readonly [sql: string, tag: string] {
    const id = 1 + Math.floor(Math.random() * ROWS)
    return [`SELECT tag FROM tagged_rows WHERE id = ${id}`, `row ${id}`]
  }

  async #one(): Promise<void> {
    const tag = `c${this.#id}_${++this.#count}`
    const dice = Math.random()
    if (dice < 0.01) await this.#leave(tag)
    else if (dice < 0.02) await this.#failing(tag)
    else if (dice < 0.03) await this.#cancelled(tag)
    else if (dice < 0.05) await this.#transaction(tag)
    else if (dice < 0.2) await this.#ask(execution('p', tag), value(tag))
    else if (dice < 0.3) await this.#ask(Buffer.concat([PARSE, execution('', tag)]), value(tag))
    else if (dice < 0.34) await this.#long(tag)
    else if (dice < 0.36) await this.#pipelined(tag)
    else if (dice < 0.66) await this.#found()
    else await this.#ask(query(`SELECT '${tag}'`), value(tag))
  }

  async #found(): Promise<void> {
    const [sql, tag] = this.#pointRead()
    await this.#ask(query(sql), value(tag))
  }

  async #leave(tag: string): Promise<void> {
    this.#lost = undefined
    this.#answer = undefined
    this.#socket?.write(query(Math.random() < 0.5 ? `SELECT '${tag}'` : this.#pointRead()[0]))
    this.#socket?.destroy()
    this.#totals.disconnects++
    await this.#connect()
  }

  async #failing(tag: string): Promise<void> {
    const isBound = Math.random() < 0.5
    const text = isBound ? execution('division', '0') : query(`SELECT '${tag}', 1 / 0`)
    await this.#ask(text, { value: undefined, sqlState: '22012', status: 'I' })
    this.#totals.errors++
  }

  async #cancelled(tag: string): Promise<void> {
    const request = connect({ host: this.#url.hostname, port: Number(this.#url.port) }, () => {
      const head = Buffer.alloc(8)
      head.writeInt32BE(16, 0)
      head.writeInt32BE(80_877_102, 4)
      request.end(Buffer.concat([head, this.#key]))
    })
    const closed = new Promise<void>((resolve) => {
      request.on('error', () => undefined)
      request.on('close', () => resolve())
    })
    request.resume()
    const dice = Math.random()
    const slow = dice < 0.3 ? `SELECT '${tag}' FROM pg_sleep(0.05)` : `SELECT '${tag}'`
    const [sql, expected] = dice < 0.65 ? [slow, tag] : this.#pointRead()
    await this.#ask(query(sql), {
      value: expected,
      sqlState: undefined,
      isCancelled: true,
      status: 'I',
    })
    await closed
    // what comes late may hit this one, which is ours too
    await this.#ask(query('SELECT 1'), {
      value: '1',
      sqlState: undefined,
      isCancelled: true,
      status: 'I',
    })
  }

  async #transaction(tag: string): Promise<void> {
    await this.#ask(query('BEGIN'), { value: undefined, sqlState: undefined, status: 'T' })
    await this.#ask(query(`SELECT '${tag}'`), { ...value(tag), status: 'T' })
    await this.#ask(query('COMMIT'), { value: undefined, sqlState: undefined, status: 'I' })
  }

  async #long(tag: string): Promise<void> {
    const times = Math.floor(Math.random() * 20_000)
    await this.#ask(
      query(`SELECT '${tag}' || repeat('x', ${times})`),
      value(tag + 'x'.repeat(times)),
    )
  }

  async #pipelined(tag: string): Promise<void> {
    const second = this.#answered(value(`${tag}a`))
    this.#socket?.write(Buffer.concat([query(`SELECT '${tag}a'`), query(`SELECT '${tag}b'`)]))
    await second
    await this.#answered(value(`${tag}b`))
  }

  async #ask(messages: Buffer, expected: Expectation): Promise<void> {
    const answer = this.#answered(expected)
    this.#socket?.write(messages)
    await answer
  }

  async #answered(expected: Expectation): Promise<void> {
    const status = await new Promise<string>((resolve, reject) => {
      this.#answer = resolve
      this.#lost = reject
      this.#scan()
    })
    const isCancel = expected.isCancelled === true && this.#sqlState === '57014'
    const isRight =
      this.#sqlState === expected.sqlState &&
      this.#value === expected.value &&
      this.#rows === (expected.value === undefined ? 0 : 1)
    if (isCancel) this.#totals.cancelled++
    if ((isRight || isCancel) && status === expected.status) this.#totals.answered++
    else this.#report(expected, status)
    this.#value = undefined
    this.#sqlState = undefined
    this.#rows = 0
  }

  #report(expected: Expectation, status: string): void {
    if (this.#totals.wrong.length >= MAX_REPORTS) return
    const got = `${status} ${this.#sqlState ?? ''} ${this.#rows} rows ${(this.#value ?? '').slice(0, 60)}`
    this.#totals.wrong.push(`${JSON.stringify(expected).slice(0, 120)}: ${got}`)
  }

  async #connect(): Promise<void> {
    const { hostname, port, username, pathname } = this.#url
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket = socket
    this.#pending = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      if (this.#socket !== socket) return
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
      this.#scan()
    })
    socket.on('error', (error) => this.#fail(socket, error))
    socket.on('close', () => this.#fail(socket, new Error('closed by the proxy')))
    const nothing = { value: undefined, sqlState: undefined, status: 'I' }
    await this.#ask(startup(decodeURIComponent(username), pathname.slice(1)), nothing)
    const parses = [
      message(0x50, 'p\0', 'SELECT $1::text\0', NOTHING_MORE),
      message(0x50, 'division\0', 'SELECT 1 / $1::int\0', NOTHING_MORE),
    ]
    await this.#ask(Buffer.concat([...parses, SYNC]), nothing)
    this.#totals.answered -= 2
  }

  #fail(socket: Socket, error: Error): void {
    if (this.#socket === socket) this.#lost?.(error)
  }

  /** Up to the next ReadyForQuery, while someone waits for it. */
  #scan(): void {
    while (this.#answer !== undefined && this.#pending.length >= 5) {
      const size = this.#pending.readInt32BE(1) + 1
      if (this.#pending.length < size) return
      const frame = this.#pending.subarray(0, size)
      this.#pending = this.#pending.subarray(size)
      this.#take(String.fromCharCode(frame[0] ?? 0), frame)
    }
  }

  #take(type: string, frame: Buffer): void {
    if (type === 'D') {
      this.#rows++
      this.#value = frame.toString('latin1', 11)
    } else if (type === 'E') {
      this.#sqlState = /\0C(\w{5})\0/.exec(frame.toString('latin1'))?.[1]
      this.#value = undefined
      this.#rows = 0
    } else if (type === 'K') this.#key = Buffer.from(frame.subarray(5, 13))
    else if (type === 'Z') {
      const answer = this.#answer
      this.#answer = undefined
      answer?.(String.fromCharCode(frame[5] ?? 0))
    }
  }
}

function value(tag: string): Expectation {
  return { value: tag, sqlState: undefined, status: 'I' }
}
