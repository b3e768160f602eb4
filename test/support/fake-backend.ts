import { createServer, type Server, type Socket } from 'node:net'
import type { BackendAddress } from '../../lib/backend/backend-address.ts'
import { writeAuthentication } from '../../lib/wire/authentication-messages.ts'
import { writeBackendKeyData, writeReadyForQuery } from '../../lib/wire/backend-messages.ts'
import { DEFAULT_FRAME_LIMITS, FrameReader } from '../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { TransactionStatus } from '../../lib/wire/message-codes.ts'
import { readStartupPacket } from '../../lib/wire/startup-packets.ts'

export type FakeSession = {
  readonly socket: Socket
  /** Sends what `write` writes, in pieces of `chunkBytes` if given. */
  send(write: (out: FrameWriter) => void, chunkBytes?: number): void
}

export type FakeScript = {
  /** In place of AuthenticationOk, key data and ReadyForQuery. */
  readonly onStartup?: (session: FakeSession, parameters: ReadonlyMap<string, string>) => void
  readonly onMessage?: (session: FakeSession, type: number, frame: Buffer) => void
  readonly onCancel?: (session: FakeSession) => void
}

/** A server that does what its script says, on a free port of the loopback. */
export class FakeBackend {
  readonly address: BackendAddress
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, port: number) {
    this.#server = server
    this.address = { nodeId: 1, host: '127.0.0.1', port }
  }

  static async start(script: FakeScript): Promise<FakeBackend> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const fake = new FakeBackend(server, address.port)
    server.on('connection', (socket) => fake.#serve(socket, script))
    return fake
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket, script: FakeScript): void {
    this.#sockets.add(socket)
    socket.setNoDelay()
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    const session: FakeSession = {
      socket,
      send: (write, chunkBytes = Number.MAX_SAFE_INTEGER) => {
        const out = new FrameWriter()
        write(out)
        const bytes = out.take()
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          socket.write(bytes.subarray(at, Math.min(bytes.length, at + chunkBytes)))
        }
      },
    }
    let isStarted = false
    const reader = new FrameReader(DEFAULT_FRAME_LIMITS, (type, chunk, start, end) => {
      const frame = Buffer.from(chunk.subarray(start, end))
      if (isStarted) {
        script.onMessage?.(session, type, frame)
        return
      }
      isStarted = true
      reader.expectMessages()
      this.#start(session, script, frame)
    })
    socket.on('data', (chunk) => reader.push(chunk, 0, chunk.length))
  }

  #start(session: FakeSession, script: FakeScript, frame: Buffer): void {
    const packet = readStartupPacket(frame)
    if (packet.kind === 'cancel-request') {
      script.onCancel?.(session)
      session.socket.end()
    } else if (packet.kind === 'startup') {
      this.connections++
      if (script.onStartup === undefined) session.send(welcome)
      else script.onStartup(session, packet.parameters)
    }
  }
}

export function welcome(out: FrameWriter): void {
  writeAuthentication(out, { kind: 'ok' })
  writeBackendKeyData(out, { processId: 7, secretKey: Buffer.from([1, 2, 3, 4]) })
  writeReadyForQuery(out, TransactionStatus.idle)
}
