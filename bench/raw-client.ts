import { connect, type Socket } from 'node:net'
import { FrameWriter } from '../lib/wire/frame-writer.ts'
import { Backend, Frontend } from '../lib/wire/message-codes.ts'
import { BENCH_DATABASE, BENCH_USER } from './system.ts'

const PROTOCOL_VERSION = 196_608
const READ_BYTES = 65_536
const HEADER_BYTES = 5
const LENGTH_BYTES = 4

/** As little of a client as can be: it counts bytes and knows where an answer ends. Trust authentication only. */
export class RawBenchClient {
  readonly #socket: Socket
  readonly #answers: AnswerReader

  private constructor(socket: Socket, answers: AnswerReader) {
    this.#socket = socket
    this.#answers = answers
  }

  /** Returns when the server is ready for the first query. */
  static async connect(port: number): Promise<RawBenchClient> {
    const answers = new AnswerReader()
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    const callback = (length: number) => answers.read(buffer, length)
    const socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback } })
    socket.on('error', (error) => answers.fail(error))
    socket.on('close', () => answers.fail(new Error('the connection was closed')))
    const client = new RawBenchClient(socket, answers)
    await client.#send(startupPacket())
    return client
  }

  /** Runs a statement to its end; gives the bytes of its answer. */
  async run(sql: string): Promise<number> {
    const out = new FrameWriter()
    const mark = out.begin(Frontend.query)
    out.cstring(sql)
    out.end(mark)
    return await this.#send(out.take())
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(message: Buffer): Promise<number> {
    const answer = this.#answers.next()
    this.#socket.write(message)
    return answer
  }
}

/** Walks the heads of messages up to ReadyForQuery. */
class AnswerReader {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerLength = 0
  /** Of the current message's body. */
  #skip = 0
  #bytes = 0
  #error: Error | undefined
  #settle: (() => void) | undefined

  /** The bytes of the next answer. */
  next(): Promise<number> {
    this.#bytes = 0
    return new Promise((resolve, reject) => {
      this.#settle = () => (this.#error === undefined ? resolve(this.#bytes) : reject(this.#error))
    })
  }

  fail(error: Error): void {
    this.#error = error
    this.#end()
  }

  /** True: go on reading. */
  read(buffer: Buffer, length: number): boolean {
    this.#bytes += length
    let position = 0
    while (position < length) {
      const step = Math.min(this.#skip, length - position)
      this.#skip -= step
      position = this.#readHeader(buffer, position + step, length)
    }
    return true
  }

  #readHeader(buffer: Buffer, start: number, end: number): number {
    if (start === end) return end
    let position = start
    while (this.#headerLength < HEADER_BYTES && position < end) {
      this.#header[this.#headerLength++] = buffer[position++] ?? 0
    }
    if (this.#headerLength < HEADER_BYTES) return position
    this.#headerLength = 0
    this.#skip = this.#header.readInt32BE(1) - LENGTH_BYTES
    const type = this.#header[0]
    if (type === Backend.errorResponse) this.#error = new Error('the server said no')
    // Its one byte of status may still be to come: it is skipped then.
    if (type === Backend.readyForQuery || this.#error !== undefined) this.#end()
    return position
  }

  #end(): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.()
  }
}

function startupPacket(): Buffer {
  const parameters = ['user', BENCH_USER, 'database', BENCH_DATABASE, '']
  const text = Buffer.from(`${parameters.join('\0')}\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(text.length + head.length, 0)
  head.writeInt32BE(PROTOCOL_VERSION, 4)
  return Buffer.concat([head, text])
}
