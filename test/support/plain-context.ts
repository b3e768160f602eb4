import type { BackendConnection } from '../../lib/backend/backend-connection.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import type { Catalog, ClusterNode } from '../../lib/catalog/catalog.ts'
import { query } from '../../lib/executor/node-client.ts'
import type { ClientPort, StatementContext } from '../../lib/executor/ports.ts'
import { SessionCursors } from '../../lib/executor/transaction/session-cursors.ts'
import { errorFields } from '../../lib/wire/error-messages.ts'

export type NodeDatabase = { readonly database: string; readonly user: string }

/**
 * A context over real servers for tests of control/: one connection a node, a transaction around atomically(), and
 * plain commits one after the other (a test has nobody who would fail in between).
 */
export class PlainContext implements StatementContext {
  readonly #target: (nodeId: number) => NodeDatabase
  readonly #connections = new Map<string, BackendConnection>()
  readonly #open = new Set<BackendConnection>()
  readonly notices: string[] = []
  readonly cursors = new SessionCursors()
  readonly signal = new AbortController().signal
  catalog: Catalog
  isInTransaction = false

  constructor(catalog: Catalog, target: (nodeId: number) => NodeDatabase) {
    this.catalog = catalog
    this.#target = target
  }

  readonly client: ClientPort = {
    write: (chunk, start, end) => {
      this.notices.push(errorFields(chunk.subarray(start, end)).get('M') ?? '')
      return 'taken'
    },
    isCongested: false,
    whenDrained: (resume) => resume(),
    copyData: () => {
      throw new Error('no COPY')
    },
    log: { sessionId: 1 },
  }

  async connection(nodeId: number): Promise<BackendConnection> {
    const connection = await this.#connect(nodeId, 'main')
    if (this.isInTransaction && !this.#open.has(connection)) {
      this.#open.add(connection)
      await query(connection, 'BEGIN')
    }
    return connection
  }

  taint(): void {
    // nobody else gets it
  }

  pin(): void {
    // there is one connection a node anyway
  }

  watch(): void {
    // see pin()
  }

  sideConnection(nodeId: number): Promise<BackendConnection> {
    return this.#connect(nodeId, 'side')
  }

  async atomically<T>(work: () => Promise<T>): Promise<T> {
    this.isInTransaction = true
    try {
      const result = await work()
      await this.#end('COMMIT')
      return result
    } catch (error) {
      await this.#end('ROLLBACK')
      throw error
    }
  }

  noteTier(): void {}

  transactionTime(): Promise<string> {
    return Promise.resolve('')
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
  }

  async #end(text: string): Promise<void> {
    this.isInTransaction = false
    for (const connection of this.#open) await query(connection, text)
    this.#open.clear()
  }

  async #connect(nodeId: number, purpose: string): Promise<BackendConnection> {
    const key = `${nodeId} ${purpose}`
    const node = this.catalog.nodes.find((each) => each.nodeId === nodeId)
    const known = this.#connections.get(key)
    if (known !== undefined) return known
    if (node === undefined) throw new Error(`no node ${nodeId}`)
    const connection = await connectTo(node, this.#target(nodeId))
    const raced = this.#connections.get(key)
    if (raced !== undefined) {
      connection.close()
      return raced
    }
    this.#connections.set(key, connection)
    return connection
  }
}

export function connectTo(
  { nodeId, host, port }: Pick<ClusterNode, 'nodeId' | 'host' | 'port'>,
  target: NodeDatabase,
): Promise<BackendConnection> {
  return connectBackend({
    node: { nodeId, host, port },
    ...target,
    connectTimeoutMs: 60_000,
    allowsCleartextPassword: false,
  })
}
