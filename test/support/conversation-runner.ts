import { connect, type Socket } from 'node:net'
import { readCommandComplete, readDataRow } from '../../lib/wire/backend-messages.ts'
import { writeCopyData, writeCopyDone, writeCopyFail } from '../../lib/wire/copy-messages.ts'
import { errorFields } from '../../lib/wire/error-messages.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import {
  writeBind,
  writeClose,
  writeDescribe,
  writeExecute,
  writeFlush,
  writeParse,
  writeQuery,
  writeSync,
} from '../../lib/wire/frontend-messages.ts'
import { Backend } from '../../lib/wire/message-codes.ts'
import { readParameterDescription, readRowDescription } from '../../lib/wire/row-description.ts'
import { writeStartupMessage } from '../../lib/wire/startup-packets.ts'

/**
 * A conversation is a text of blocks. `send` is followed by messages, one a line: the manual's name and its fields as
 * JSON. `until NAME` reads until that message; several names give what may end it. Lines that begin with # are comments.
 *
 *     send
 *     Parse {"text": "SELECT $1::int"}
 *     Sync
 *     until ReadyForQuery
 */
export type ConversationTarget = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
}

type Fields = Readonly<Record<string, unknown>>

const TIMEOUT_MS = 60_000

/** What the server said, a line a message, in the order of the conversation. */
export async function runConversation(
  script: string,
  target: ConversationTarget,
): Promise<readonly string[]> {
  const peer = new Peer(target)
  try {
    await peer.until(['ReadyForQuery'])
    peer.heard.length = 0
    for (const line of script.split('\n')) {
      const text = line.trim()
      if (text === '' || text.startsWith('#')) continue
      if (text === 'send') peer.gather()
      else if (text.startsWith('until ')) {
        peer.release()
        peer.heard.push(text)
        await peer.until(text.slice('until '.length).split(' '))
      } else peer.send(text)
    }
    return peer.heard
  } finally {
    peer.close()
  }
}

class Peer {
  readonly heard: string[] = []
  readonly #socket: Socket
  readonly #queue: { readonly name: string; readonly line: string }[] = []
  #wake: () => void = () => undefined
  #isClosed = false

  constructor({ host, port, user, database }: ConversationTarget) {
    const out = new FrameWriter()
    writeStartupMessage(
      out,
      new Map([
        ['user', user],
        ['database', database],
      ]),
    )
    this.#socket = connect({ host, port }, () => this.#socket.write(out.take()))
    const reader = new FrameReader(
      { startupBytes: 1e9, messageBytes: 1e9 },
      (type, chunk, start, end) => {
        this.#queue.push(described(type, chunk.subarray(start, end)))
        this.#wake()
      },
    )
    reader.expectMessages()
    this.#socket.on('data', (chunk: Buffer) => reader.push(chunk, 0, chunk.length))
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#wake()
    })
  }

  /** What is sent from now on leaves with one write, in release(), as most drivers do it. */
  gather(): void {
    this.#socket.cork()
  }

  release(): void {
    this.#socket.uncork()
  }

  send(line: string): void {
    const [name = ''] = line.split(' ')
    const json = line.slice(name.length).trim()
    const out = new FrameWriter()
    writeMessage(out, name, json === '' ? {} : JSON.parse(json))
    this.#socket.write(out.take())
  }

  async until(names: readonly string[]): Promise<void> {
    const deadline = Date.now() + TIMEOUT_MS
    for (;;) {
      const next = this.#queue.shift()
      if (next !== undefined) {
        if (next.line !== '') this.heard.push(next.line)
        if (names.includes(next.name)) return
        continue
      }
      if (this.#isClosed) {
        this.heard.push('closed')
        return
      }
      if (Date.now() >= deadline) {
        this.heard.push(`nothing more came before ${names.join(' or ')}`)
        return
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

function values(fields: Fields, key: string): (Buffer | undefined)[] {
  const list = (fields[key] ?? []) as readonly (string | null)[]
  return list.map((value) => (value === null ? undefined : Buffer.from(value)))
}

type Write = (out: FrameWriter, fields: Fields) => void

const text = (fields: Fields, key: string) => String(fields[key] ?? '')
const numbers = (fields: Fields, key: string) => (fields[key] ?? []) as readonly number[]
const named = (fields: Fields) => {
  const kind = fields['kind'] === 'statement' ? 'statement' : 'portal'
  return { kind, name: text(fields, 'name') } as const
}

const WRITERS: Readonly<Record<string, Write>> = {
  Query: (out, fields) => writeQuery(out, text(fields, 'text')),
  Parse: (out, fields) =>
    writeParse(out, {
      name: text(fields, 'name'),
      text: text(fields, 'text'),
      parameterTypes: numbers(fields, 'types'),
    }),
  Bind: (out, fields) =>
    writeBind(out, {
      portal: text(fields, 'portal'),
      statement: text(fields, 'statement'),
      formats: numbers(fields, 'formats'),
      values: values(fields, 'values'),
      resultFormats: numbers(fields, 'resultFormats'),
    }),
  Describe: (out, fields) => writeDescribe(out, named(fields)),
  Close: (out, fields) => writeClose(out, named(fields)),
  Execute: (out, fields) =>
    writeExecute(out, { portal: text(fields, 'portal'), maxRows: Number(fields['maxRows'] ?? 0) }),
  Sync: (out) => writeSync(out),
  Flush: (out) => writeFlush(out),
  CopyData: (out, fields) => writeCopyData(out, Buffer.from(text(fields, 'data'))),
  CopyDone: (out) => writeCopyDone(out),
  CopyFail: (out, fields) => writeCopyFail(out, text(fields, 'reason')),
}

function writeMessage(out: FrameWriter, name: string, fields: Fields): void {
  const write = WRITERS[name]
  if (write === undefined) throw new Error(`no such message: ${name}`)
  write(out, fields)
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Backend).map(([name, type]) => [type, name[0]?.toUpperCase() + name.slice(1)]),
)

/** `line` is empty for what differs from server to server by right. */
function described(type: number, frame: Buffer): { name: string; line: string } {
  const name = NAMES.get(type) ?? `0x${type.toString(16)}`
  switch (type) {
    case Backend.authentication:
    case Backend.backendKeyData:
      return { name, line: '' }
    case Backend.commandComplete:
      return { name, line: `${name} ${readCommandComplete(frame)}` }
    case Backend.dataRow:
      return {
        name,
        line: `${name} ${JSON.stringify(readDataRow(frame).map((v) => v?.toString('latin1') ?? null))}`,
      }
    case Backend.rowDescription:
      return {
        name,
        line: `${name} ${JSON.stringify(readRowDescription(frame).map((f) => [f.name, f.typeOid, f.format]))}`,
      }
    case Backend.parameterDescription:
      return { name, line: `${name} ${JSON.stringify(readParameterDescription(frame))}` }
    case Backend.errorResponse:
    case Backend.noticeResponse: {
      const fields = errorFields(frame)
      const shown = ['V', 'C', 'M', 'D', 'H', 'P'].map((code) => fields.get(code) ?? null)
      return { name, line: `${name} ${JSON.stringify(shown)}` }
    }
    case Backend.readyForQuery:
      return { name, line: `${name} ${String.fromCharCode(frame[5] ?? 0)}` }
    default:
      return { name, line: frame.length > 5 ? `${name} ${frame.toString('latin1', 5)}` : name }
  }
}
