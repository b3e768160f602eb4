import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { ScramClient, type ScramClientSecret } from '../../lib/wire/scram-client.ts'

export type LoginOptions = {
  readonly user: string
  readonly database?: string
  readonly secret?: ScramClientSecret
  /** Answers with its password whatever is asked. */
  readonly clearText?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly tls?: ConnectionOptions
  /** Without SSLRequest before it. */
  readonly direct?: boolean
  readonly channelBinding?: Buffer | undefined
}

export type LoginEnd = {
  /** undefined: let in. */
  readonly error: { readonly sqlState: string; readonly message: string } | undefined
  /** What the server asked for, in order: md5, password, or the SCRAM mechanisms and its first message. */
  readonly asked: readonly string[]
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export const SSL_REQUEST = Buffer.concat([int32(8), int32(80_877_103)])
export const GSSENC_REQUEST = Buffer.concat([int32(8), int32(80_877_104)])

export function startupPacket(
  parameters: Readonly<Record<string, string>>,
  version = 196_608,
): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`)
  const body = Buffer.from(`${pairs.join('')}\0`)
  return Buffer.concat([int32(body.length + 8), int32(version), body])
}

export function message(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes])
}

/** All that a server says until it closes. */
export function answerTo(port: number, ...writes: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port }, () => {
      for (const bytes of writes) socket.write(bytes)
    })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

/** Proves who it is, says how that went, and leaves: no server is needed behind the proxy. Written for tests on nothing of lib/ but SCRAM's client end. */
export async function logIn(port: number, options: LoginOptions): Promise<LoginEnd> {
  const socket = await connected(port, options)
  const database = options.database ?? 'app'
  socket.write(startupPacket({ user: options.user, database, ...options.parameters }))
  try {
    return await talk(socket, options)
  } finally {
    socket.destroy()
  }
}

async function connected(port: number, { tls, direct }: LoginOptions): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port })
  if (tls === undefined) return socket
  if (direct !== true) {
    socket.write(SSL_REQUEST)
    const answer = await new Promise<Buffer>((resolve, reject) => {
      socket.once('data', resolve)
      socket.once('error', reject)
    })
    if (answer.toString() !== 'S') throw new Error(`no TLS: ${answer}`)
  }
  return await new Promise<TLSSocket>((resolve, reject) => {
    const secured = connectTls({ socket, servername: 'localhost', ...tls })
    secured.once('secureConnect', () => resolve(secured))
    secured.once('error', reject)
  })
}

async function talk(socket: Socket, options: LoginOptions): Promise<LoginEnd> {
  const asked: string[] = []
  const mechanisms: string[] = []
  let scram: ScramClient | undefined
  for await (const frame of frames(socket)) {
    const type = String.fromCharCode(frame[0] ?? 0)
    if (type === 'E') return { error: errorOf(frame), asked }
    if (type !== 'R') continue
    switch (frame.readInt32BE(5)) {
      case 0:
        return { error: undefined, asked }
      case 3:
        asked.push('password')
        socket.write(message('p', `${options.clearText ?? options.secret}\0`))
        break
      case 5:
        asked.push('md5')
        socket.write(message('p', `${options.clearText ?? 'md5'}\0`))
        break
      case 10: {
        mechanisms.push(...frame.toString('latin1', 9).split('\0').filter(Boolean))
        asked.push(mechanisms.join(','))
        const { channelBinding, secret = '' } = options
        scram = new ScramClient(secret, { mechanisms, channelBinding })
        const first = Buffer.from(scram.firstMessage())
        const body = [Buffer.from(`${scram.mechanism}\0`), int32(first.length), first]
        socket.write(message('p', Buffer.concat(body)))
        break
      }
      case 11: {
        const first = frame.toString('latin1', 9)
        asked.push(first)
        socket.write(message('p', (await scram?.finalMessage(first)) ?? ''))
        break
      }
      case 12:
        scram?.verify(frame.toString('latin1', 9))
        break
    }
  }
  throw new Error('the connection was closed without a word')
}

async function* frames(socket: Socket): AsyncGenerator<Buffer> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk as Buffer])
    while (pending.length >= 5 && pending.length > pending.readUInt32BE(1)) {
      const size = pending.readUInt32BE(1) + 1
      yield pending.subarray(0, size)
      pending = pending.subarray(size)
    }
  }
}

function errorOf(frame: Buffer): LoginEnd['error'] {
  const parts = frame.toString('utf8', 5).split('\0')
  const fields = new Map(parts.map((part) => [part.slice(0, 1), part.slice(1)]))
  return { sqlState: fields.get('C') ?? '', message: fields.get('M') ?? '' }
}
