import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { serialize } from 'pg-protocol'

/** What RowDescription says of a column, without the OIDs of tables: those differ between any two databases. */
export type Field = {
  readonly name: string
  readonly typeOid: number
  readonly typeSize: number
  readonly typeModifier: number
  readonly format: number
}

export type Result = {
  readonly fields: readonly Field[] | undefined
  /** Text as it came; binary values in hex. */
  readonly rows: readonly (readonly (string | null)[])[]
  /** undefined when an error came before CommandComplete. */
  readonly tag: string | undefined
}

/** All that a server said to one Query or Sync. */
export type Answer = {
  readonly results: readonly Result[]
  readonly error:
    | {
        readonly sqlState: string
        readonly message: string
        readonly context?: string
        readonly position?: string
      }
    | undefined
  /** ReadyForQuery: I, T or E. */
  readonly status: string
}

export type Parameter = string | null

const CONNECT_DEADLINE_MS = 60_000

/**
 * A client that hides nothing: it keeps every field of the answers as the server sent them. Written for tests
 * on an independent serializer; node-postgres would lose binary values and type modifiers.
 */
export class RawClient {
  readonly #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  readonly #messages: Buffer[] = []
  #wake: (() => void) | undefined
  #closed: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the server closed the connection')))
  }

  static async connect(url: string, parameters: Record<string, string> = {}): Promise<RawClient> {
    const { hostname, port, username, pathname } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_DEADLINE_MS) })
    socket.setNoDelay(true)
    const client = new RawClient(socket)
    const options = { user: decodeURIComponent(username), database: pathname.slice(1) }
    socket.write(serialize.startup({ ...options, ...parameters }))
    const answer = await client.#answer('text')
    if (answer.error !== undefined) {
      socket.destroy()
      throw new Error(`${answer.error.sqlState}: ${answer.error.message}`)
    }
    return client
  }

  /** The simple protocol; `sql` may hold several statements. */
  async simple(sql: string): Promise<Answer> {
    this.#socket.write(serialize.query(sql))
    return await this.#answer('text')
  }

  /** Parse, Bind, Describe, Execute and Sync in one write. `types`: OIDs that the parameters are declared with. */
  async extended(
    sql: string,
    parameters: readonly Parameter[],
    format: 'text' | 'binary',
    types: readonly number[] = [],
  ): Promise<Answer> {
    const frames = [
      serialize.parse({ text: sql, types: [...types] }),
      serialize.bind({ values: [...parameters], binary: format === 'binary' }),
      serialize.describe({ type: 'P', name: '' }),
      serialize.execute({ portal: '' }),
      serialize.sync(),
    ]
    this.#socket.write(Buffer.concat(frames))
    return await this.#answer(format)
  }

  /** Messages of the extended protocol up to a Sync, as they are. */
  async exchange(frames: readonly Buffer[], format: 'text' | 'binary'): Promise<Answer> {
    this.#socket.write(Buffer.concat([...frames, serialize.sync()]))
    return await this.#answer(format)
  }

  /** COPY … FROM STDIN of these pieces; `reason`: the client gives up after them. */
  async copyIn(
    sql: string,
    pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
    reason?: string,
  ): Promise<Answer> {
    this.#socket.write(serialize.query(sql))
    const draft = new AnswerDraft('utf8')
    while (!(draft.takesCopy || draft.isComplete)) draft.add(await this.#next())
    if (draft.takesCopy) {
      for await (const piece of pieces) {
        if (!this.#socket.write(serialize.copyData(piece))) await this.#drained()
      }
      this.#socket.write(reason === undefined ? serialize.copyDone() : serialize.copyFail(reason))
    }
    while (!draft.isComplete) draft.add(await this.#next())
    return draft.answer
  }

  #drained(): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve) => {
      const go = () => {
        socket.off('drain', go)
        socket.off('close', go)
        resolve()
      }
      // 'close' comes once only
      if (socket.destroyed) resolve()
      else socket.once('drain', go).once('close', go)
    })
  }

  /** The one value of the one row; throws on anything else. */
  async value(sql: string): Promise<string | null> {
    const { results, error } = await this.simple(sql)
    if (error !== undefined) throw new Error(`${error.sqlState}: ${error.message} (${sql})`)
    return results.at(-1)?.rows[0]?.[0] ?? null
  }

  /** Runs a script; throws the first error. */
  async run(sql: string): Promise<Answer> {
    const answer = await this.simple(sql)
    if (answer.error === undefined) return answer
    throw new Error(`${answer.error.sqlState}: ${answer.error.message} (${sql.slice(0, 200)})`)
  }

  close(): void {
    this.#socket.end(serialize.end())
  }

  /** Bytes as they are. */
  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** As a client that dies. */
  destroy(): void {
    this.#socket.destroy()
  }

  async #answer(format: 'text' | 'binary'): Promise<Answer> {
    const draft = new AnswerDraft(format === 'text' ? 'utf8' : 'hex')
    while (!draft.isComplete) draft.add(await this.#next())
    return draft.answer
  }

  async #next(): Promise<Buffer> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      if (this.#closed !== undefined) throw this.#closed
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #received(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    let at = 0
    while (this.#pending.length - at >= 5) {
      const end = at + 1 + this.#pending.readInt32BE(at + 1)
      if (end > this.#pending.length) break
      this.#messages.push(this.#pending.subarray(at, end))
      at = end
    }
    this.#pending = this.#pending.subarray(at)
    this.#wake?.()
  }

  #end(error: Error): void {
    this.#closed ??= error
    this.#wake?.()
  }
}

/** An answer while its messages come in. */
class AnswerDraft {
  readonly #encoding: 'utf8' | 'hex'
  readonly #results: Result[] = []
  #fields: Field[] | undefined
  #rows: (string | null)[][] = []
  #error: Answer['error']
  #status: string | undefined
  /** CopyInResponse has come. */
  takesCopy = false

  constructor(encoding: 'utf8' | 'hex') {
    this.#encoding = encoding
  }

  get isComplete(): boolean {
    return this.#status !== undefined
  }

  get answer(): Answer {
    return { results: this.#results, error: this.#error, status: this.#status ?? '' }
  }

  add(frame: Buffer): void {
    switch (String.fromCharCode(frame[0] ?? 0)) {
      case 'T':
        this.#fields = readFields(frame)
        break
      case 'D':
        this.#rows.push(readRow(frame, this.#encoding))
        break
      case 'd':
        this.#rows.push([frame.toString(this.#encoding, 5)])
        break
      case 'G':
        this.takesCopy = true
        break
      case 'C':
        this.#finish(frame.toString('utf8', 5, frame.length - 1))
        break
      case 'I':
        this.#finish('')
        break
      case 'E':
        this.#fail(readErrorFields(frame))
        break
      case 'R':
        if (frame.readInt32BE(5) > 0) throw new Error('the server asks for a password')
        break
      case 'Z':
        this.#status = String.fromCharCode(frame[5] ?? 0)
        break
    }
  }

  #finish(tag: string | undefined): void {
    this.#results.push({ fields: this.#fields, rows: this.#rows, tag })
    this.#fields = undefined
    this.#rows = []
  }

  #fail(fields: ReadonlyMap<string, string>): void {
    const context = fields.get('W')
    const position = fields.get('P')
    this.#error ??= {
      sqlState: fields.get('C') ?? '',
      message: fields.get('M') ?? '',
      ...(context === undefined ? {} : { context }),
      ...(position === undefined ? {} : { position }),
    }
    if (this.#fields !== undefined) this.#finish(undefined)
    // No ReadyForQuery follows a FATAL.
    if (fields.get('V') === 'FATAL') this.#status = ''
  }
}

function readFields(frame: Buffer): Field[] {
  const fields: Field[] = []
  let at = 7
  for (let left = frame.readInt16BE(5); left > 0; left--) {
    const nameEnd = frame.indexOf(0, at)
    const name = frame.toString('utf8', at, nameEnd)
    at = nameEnd + 7
    fields.push({
      name,
      typeOid: frame.readUInt32BE(at),
      typeSize: frame.readInt16BE(at + 4),
      typeModifier: frame.readInt32BE(at + 6),
      format: frame.readInt16BE(at + 10),
    })
    at += 12
  }
  return fields
}

function readRow(frame: Buffer, encoding: 'utf8' | 'hex'): (string | null)[] {
  const row: (string | null)[] = []
  let at = 7
  for (let left = frame.readInt16BE(5); left > 0; left--) {
    const length = frame.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : frame.toString(encoding, at, at + length))
    if (length > 0) at += length
  }
  return row
}

function readErrorFields(frame: Buffer): Map<string, string> {
  const parts = frame.toString('utf8', 5).split('\0')
  return new Map(parts.map((part) => [part.slice(0, 1), part.slice(1)]))
}
