import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { Shard } from '../../../catalog/catalog.ts'
import { coordinatorOf } from '../../../catalog/catalog-lookup.ts'
import { query } from '../../node-client.ts'
import type { StatementContext } from '../../ports.ts'
import { broadcastRows } from '../../pull/broadcast-rows.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { waitFor } from '../../scatter/relayed-rows.ts'
import { tagCount } from '../../server-answer.ts'
import { sendStatements } from '../../statement-request.ts'
import { copiedColumns, distributeRows, shardName } from '../distribute-rows.ts'
import { withReferenceWrites } from '../reference-guard.ts'
import type { ChangeKind, Changes } from './changes.ts'
import { isKeyless, placedRows, SHARD_COLUMN, sameRow } from './identity.ts'
import { shipRows } from './node-rows.ts'

const NO_PARAMETERS = { types: [], formats: [], values: [] }

/** A place where changed rows of a table are: a shard, or a node's copy of a reference table. */
type Place = { readonly nodeId: number; readonly shard: number; readonly name: string }

/** Does to a table's shards, or to all copies of it, what has been done to its mirror. */
export class ChangeApplication {
  readonly changes: Changes
  readonly #coordinator: BackendConnection
  readonly #context: StatementContext
  /** The changed rows on each node. */
  readonly #rowsOn = new Map<number, string>()

  constructor(changes: Changes, coordinator: BackendConnection, context: StatementContext) {
    this.changes = changes
    this.#coordinator = coordinator
    this.#context = context
  }

  delete(): Promise<void> {
    return this.#run(['d', 'm'], (name) => `DELETE FROM ${name} AS t USING`)
  }

  update(): Promise<void> {
    const { updated } = this.changes.mirror.target
    const set = updated.map(quoteIdentifier).map((column) => `${column} = n.${column}`)
    return this.#run(['u'], (name) => `UPDATE ${name} AS t SET ${set.join(', ')} FROM`)
  }

  async insert(): Promise<void> {
    const { mirror, insertedCount } = this.changes
    const { table } = mirror.target
    if (insertedCount === 0) return
    const from = `ONLY ${mirror.scratch.qualifiedName}`
    const source = this.#coordinator
    const { signal, catalog } = this.#context
    const target = (shard: Shard) => this.#context.connection(shard.nodeId, 'write')
    const count =
      table.kind === 'distributed'
        ? await distributeRows({ source, from, table, target, signal, catalog })
        : await broadcastRows(source, from, table, this.#context)
    if (count !== insertedCount) throw this.#changedOtherwise(insertedCount, count)
  }

  /** Drops what was made for it. */
  async end(): Promise<void> {
    for (const [nodeId, name] of this.#rowsOn) {
      const connection = await this.#context.connection(nodeId, 'write')
      await query(connection, `DROP TABLE ${name}`)
    }
    const { name, follows, mirror } = this.changes
    if (follows) await query(this.#coordinator, `DROP TABLE ${mirror.scratch.qualifiedName}`)
    const isDropped = this.#rowsOn.has(this.#coordinator.node.nodeId)
    if (name !== undefined && !isDropped) await query(this.#coordinator, `DROP TABLE ${name}`)
  }

  /** `verb`: the statement up to the table of changed rows. */
  async #run(kinds: readonly ChangeKind[], verb: (name: string) => string): Promise<void> {
    const counts = this.changes.counts.filter(({ kind }) => kinds.includes(kind))
    const shards = [...new Set(counts.map(({ shard }) => shard))].sort((a, b) => a - b)
    const list = kinds.map((kind) => `'${kind}'`).join(', ')
    for (const index of shards) {
      const counted = counts.filter(({ shard }) => shard === index)
      const expected = counted.reduce((sum, { count }) => sum + count, 0)
      for (const { nodeId, shard, name } of this.#places(index)) {
        const connection = await this.#context.connection(nodeId, 'write')
        const rows = await this.rowsOn(connection)
        const own = `n.${SHARD_COLUMN} = ${shard} AND n.pgloom_change IN (${list})`
        const count = await this.write(connection, `${verb(name)} ${this.#meant(name, rows, own)}`)
        if (count !== expected) throw this.#changedOtherwise(expected, count)
      }
    }
  }

  /** The changed rows for which `own` holds, as n, and which row t each of them is. */
  #meant(name: string, rows: string, own: string): string {
    const { target, rows: mirrored } = this.changes.mirror
    if (!isKeyless(target.table)) {
      return `${rows} AS n WHERE ${sameRow(mirrored?.identity ?? [], 't', 'n')} AND ${own}`
    }
    return `(${placedRows(target.table, name, rows, own)}) AS n WHERE t.ctid = n.pgloom_place`
  }

  #places(shard: number): readonly Place[] {
    const { table } = this.changes.mirror.target
    if (table.kind === 'reference') {
      const name = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
      return this.#context.catalog.nodes.map(({ nodeId }) => ({ nodeId, shard, name }))
    }
    const found = table.shards[shard]
    if (found === undefined) throw new Error(`no shard ${shard}`)
    return [{ nodeId: found.nodeId, shard, name: shardName(table, found) }]
  }

  /** With the server's own error, as the client should read it. */
  async write(connection: BackendConnection, text: string): Promise<number> {
    const work = async (): Promise<number> => {
      const statement = {
        text: Buffer.from(text),
        parameters: NO_PARAMETERS,
        resultFormats: [],
        describes: false,
        maxRows: 0,
      }
      const answer = sendStatements(connection, [statement], {}, { positions: 'drop' })
      await waitFor(answer, connection, this.#context.signal)
      return tagCount(answer.tag)
    }
    if (this.changes.mirror.target.table.kind === 'distributed') return work()
    return withReferenceWrites(connection, work, this.#context.catalog.nodes.length)
  }

  /** Brought to a node once, when they are first needed there. */
  async rowsOn(connection: BackendConnection): Promise<string> {
    const { nodeId } = connection.node
    const known = this.#rowsOn.get(nodeId)
    if (known !== undefined) return known
    const { name: from = '' } = this.changes
    const isHere = nodeId === coordinatorOf(this.#context.catalog).nodeId
    const name = isHere ? from : await this.#ship(connection, from)
    this.#rowsOn.set(nodeId, name)
    return name
  }

  #ship(connection: BackendConnection, name: string): Promise<string> {
    const { target, rows } = this.changes.mirror
    const { table } = target
    const identity = rows?.identity ?? []
    const given = copiedColumns(table)
    const columns = ['pgloom_change', SHARD_COLUMN, ...identity.map((column) => column.name), given]
    const nodeShards =
      table.kind === 'distributed'
        ? table.shards.filter((shard) => shard.nodeId === connection.node.nodeId)
        : []
    const [some] = nodeShards
    const local = some === undefined ? this.#places(0)[0]?.name : shardName(table, some)
    const shape = [
      'NULL::"char" AS pgloom_change',
      `NULL::pg_catalog.int4 AS ${SHARD_COLUMN}`,
      ...identity.map(
        ({ name: own, type, of }) => `${isKeyless(table) ? `NULL::${type}` : `t.${of}`} AS ${own}`,
      ),
      given,
    ]
    const where =
      table.kind === 'distributed'
        ? ` WHERE ${SHARD_COLUMN} IN (${nodeShards.map(({ index }) => index).join(', ')})`
        : ''
    return shipRows(
      {
        coordinator: this.#coordinator,
        columns: columns.join(', '),
        from: `${name}${where}`,
        shape: `SELECT ${shape.join(', ')} FROM ${local} AS t`,
      },
      connection,
      this.#context,
    )
  }

  /** Row security, or a foreign key's action on rows that the statement meant too: nothing of it is committed. */
  #changedOtherwise(expected: number, actual: number): RouterError {
    const { name } = this.changes.mirror.target.table
    return new RouterError(
      SqlState.featureNotSupported,
      `only ${actual} of ${expected} rows of "${name}" could be changed as the statement says`,
      {
        hint: 'Rows that row security hides, or that foreign keys change too, cannot be changed by this kind of statement over several shards.',
      },
    )
  }
}
