import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterNode, ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { StatementContext } from '../executor/ports.ts'
import { writeNotice } from '../wire/error-messages.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { buildCatalog, readDocument } from './catalog-loader.ts'
import { describeTable, type TableDescription } from './table-description.ts'

/**
 * One cluster command under way, in the client's transaction. It trusts no snapshot: what it needs to know it reads
 * through the transaction's own connection, which also sees what the transaction has changed itself.
 */
export class CommandRun {
  readonly context: StatementContext
  readonly coordinator: BackendConnection
  readonly #adopted = new Map<number, BackendConnection>()

  private constructor(context: StatementContext, coordinator: BackendConnection) {
    this.context = context
    this.coordinator = coordinator
  }

  static async begin(context: StatementContext): Promise<CommandRun> {
    if (!context.catalog.isInstalled) {
      throw new RouterError(
        SqlState.objectNotInPrerequisiteState,
        `database "${context.catalog.database}" is not set up as a cluster`,
        {
          hint: 'The metadata schema is installed when a proxy starts as the owner of the database.',
        },
      )
    }
    const coordinatorId = context.catalog.nodes[0]?.nodeId ?? 0
    return new CommandRun(context, await context.connection(coordinatorId, 'write'))
  }

  /** The catalog as this transaction sees it. */
  async catalog(): Promise<Catalog> {
    const { database, nodes, version } = this.context.catalog
    const { host, port } = nodes[0] ?? { host: '', port: 0 }
    // JIT would take a second to compile what runs in a millisecond.
    const jit = await this.value("SELECT current_setting('jit')")
    await this.value("SELECT set_config('jit', 'off', true)")
    const document = await readDocument((text) => this.value(text))
    await this.value("SELECT set_config('jit', $1, true)", [jit ?? 'on'])
    const tablesOfNodes = new Map()
    return buildCatalog({ database, coordinator: { host, port }, document, tablesOfNodes, version })
  }

  /** From now on on() gives this connection for its node, which the context doesn't know yet. */
  adopt(connection: BackendConnection): void {
    this.#adopted.set(connection.node.nodeId, connection)
  }

  /** To any node, in the transaction. */
  async on(nodeId: number): Promise<BackendConnection> {
    if (nodeId === this.coordinator.node.nodeId) return this.coordinator
    return this.#adopted.get(nodeId) ?? this.context.connection(nodeId, 'write')
  }

  /** The client's own statement, on the coordinator: what that has to say is for the client. Returns its tag. */
  async statement(text: string): Promise<string> {
    const { client } = this.context
    const { tag } = await query(this.coordinator, text, undefined, (notice) => {
      client.write(notice, 0, notice.length)
    })
    return tag
  }

  /** The first value of a query on the coordinator. */
  async value(text: string, params?: readonly (string | null)[]): Promise<string | undefined> {
    const { rows } = await query(this.coordinator, text, params)
    return rows[0]?.[0]
  }

  async describe(oid: number): Promise<TableDescription> {
    const table = await describeTable(this.coordinator, oid)
    if (table === undefined) {
      throw new RouterError(SqlState.undefinedTable, `relation with OID ${oid} does not exist`)
    }
    return table
  }

  /** Runs on all these nodes at once. One failing does not stop the others: their connections must not be left busy. */
  async onEach(
    nodes: readonly ClusterNode[],
    work: (connection: BackendConnection, node: ClusterNode) => Promise<void>,
  ): Promise<void> {
    const results = await Promise.allSettled(
      nodes.map(async (node) => work(await this.on(node.nodeId), node)),
    )
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  notice(message: string, detail?: string): void {
    const out = new FrameWriter()
    const optional = detail === undefined ? {} : { detail }
    writeNotice(out, { severity: 'NOTICE', sqlState: '00000', message, ...optional })
    const frame = out.take()
    this.context.client.write(frame, 0, frame.length)
  }
}

/** Several statements as one simple query. */
export async function runAll(
  connection: BackendConnection,
  statements: readonly string[],
): Promise<void> {
  if (statements.length > 0) await query(connection, statements.join(';\n'))
}

export function activeNodes(catalog: Catalog): ClusterNode[] {
  return catalog.nodes.filter(({ isActive }) => isActive)
}

export function workersOf(catalog: Catalog): ClusterNode[] {
  return activeNodes(catalog).filter(({ groupId }) => groupId !== 0)
}

export function tableByOid(catalog: Catalog, oid: number): ClusterTable | undefined {
  return [...catalog.tables.values()].find((table) => table.oid === oid)
}
