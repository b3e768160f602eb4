import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Teardown } from './stock-postgres.ts'

const LOOPBACK = '127.0.0.1'
const STARTUP_PROTOCOL = 196_608

/** Of it is made what recovery asks a server first: for the transactions that it may have to finish. */
export const RECOVERY_QUERY = 'SELECT gid, owner FROM pg_catalog.pg_prepared_xacts'

/** A request of a proxy on its way to a server. */
export type Passing = {
  /** The place of the server in its cluster. */
  readonly node: number
  /** SQL of Query or Parse, and the parameters of a Bind in the same packet. */
  readonly text: string
  readonly connection: RelayedConnection
}

/** 'request': it never arrives unless released. 'answer': it is carried out, nobody learns of it. */
export type Hold = 'request' | 'answer' | undefined

export type Watch = (passing: Passing) => Hold

/** Stands between proxies and one server, and holds or cuts what passes: where a wire or a process could fail. */
export class ServerRelay {
  readonly port: number
  readonly #server: Server
  readonly #connections = new Set<RelayedConnection>()
  watch: Watch | undefined

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async start(t: Teardown, node: number, portOf: () => number): Promise<ServerRelay> {
    const server = createServer({ noDelay: true })
    server.listen(0, LOOPBACK)
    await once(server, 'listening')
    const relay = new ServerRelay(server)
    server.on('connection', (client) => relay.#accept(client, node, portOf()))
    t.teardown(() => relay.#stop())
    return relay
  }

  get connections(): readonly RelayedConnection[] {
    return [...this.#connections]
  }

  /** What was held goes on. */
  release(): void {
    for (const connection of this.#connections) connection.release()
  }

  #accept(client: Socket, node: number, port: number): void {
    const connection = new RelayedConnection(client, port, (text) =>
      this.watch?.({ node, text, connection }),
    )
    this.#connections.add(connection)
    client.once('close', () => this.#connections.delete(connection))
  }

  #stop(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.cut()
  }
}

/** One connection of a proxy to the server. */
export class RelayedConnection {
  /** Whatever a test wants to remember of it. */
  mark = ''
  readonly #client: Socket
  readonly #server: Socket
  readonly #watch: (text: string) => Hold
  #held: Hold
  #isStarted = false
  #fromClient: Buffer = Buffer.alloc(0)
  #fromServer: Buffer = Buffer.alloc(0)

  constructor(client: Socket, port: number, watch: (text: string) => Hold) {
    this.#client = client
    this.#watch = watch
    this.#server = connect({ host: LOOPBACK, port, noDelay: true })
    client.on('data', (chunk: Buffer) => {
      this.#fromClient = Buffer.concat([this.#fromClient, chunk])
      this.#forward()
    })
    this.#server.on('data', (chunk: Buffer) => {
      if (this.#held === 'answer') this.#fromServer = Buffer.concat([this.#fromServer, chunk])
      else client.write(chunk)
    })
    for (const socket of [client, this.#server]) {
      socket.on('error', () => undefined)
      socket.on('close', () => this.cut())
    }
  }

  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** The server has carried out what it was asked, and nobody knows. */
  get hasHeldAnswer(): boolean {
    const { length } = this.#fromServer
    return length >= 6 && this.#fromServer.readUInt32BE(length - 6) === 0x5a000000
  }

  cut(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  release(): void {
    this.#held = undefined
    if (this.#fromServer.length > 0) this.#client.write(this.#fromServer)
    this.#fromServer = Buffer.alloc(0)
    this.#forward()
  }

  #forward(): void {
    const text = this.#isStarted ? requestText(this.#fromClient) : ''
    if (text === undefined || this.#held === 'request') return
    if (!this.#isStarted) this.#isStarted = endsStartup(this.#fromClient)
    if (text !== '') this.#held = this.#watch(text)
    if (this.#held === 'request') return
    this.#server.write(this.#fromClient)
    this.#fromClient = Buffer.alloc(0)
  }
}

/** A client's first packets are small and come whole. */
function endsStartup(packet: Buffer): boolean {
  return packet.length >= 8 && packet.readInt32BE(4) === STARTUP_PROTOCOL
}

/** undefined: the last message has not come whole. Bodies of Query, Parse and Bind, the rest left out. */
function requestText(messages: Buffer): string | undefined {
  const parts: string[] = []
  let at = 0
  while (at < messages.length) {
    if (at + 5 > messages.length) return undefined
    const end = at + 1 + messages.readInt32BE(at + 1)
    if (end > messages.length) return undefined
    if ('QPB'.includes(String.fromCharCode(messages[at] ?? 0))) {
      parts.push(messages.toString('latin1', at + 5, end))
    }
    at = end
  }
  return parts.join('\n')
}
