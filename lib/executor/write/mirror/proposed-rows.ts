import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { ClusterTable } from '../../../catalog/catalog.ts'
import { copyIn, copyOut, query } from '../../node-client.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { scratchName, scratchQualified } from '../scratch-table.ts'
import { SHARD_COLUMN } from './identity.ts'
import type { Mirror } from './mirror.ts'
import type { UniqueIndex } from './unique-indexes.ts'

/** What is known of a statement's rows must outlive a rollback on every server. */
const MAX_BYTES = 64 * 1024 * 1024

/** Rows that a statement with ON CONFLICT made when it was tried: those that they meet are needed for the next try. */
export class ProposedRows {
  /** By the table's OID: binary COPYs. */
  readonly #copies = new Map<number, Buffer[][]>()
  #byteLength = 0
  /** The tries' rows don't tell which others are needed: all are. */
  needsAll = false

  has({ oid }: ClusterTable): boolean {
    return this.#copies.has(oid)
  }

  /** All that the statement has inserted into the mirror, or changed. */
  async remember(coordinator: BackendConnection, { target, rows }: Mirror): Promise<void> {
    if (rows?.view === undefined) return
    const { oid } = target.table
    const text = `COPY (SELECT ${allColumns(target.table)} FROM ${rows.name}
      WHERE cmin::text::int8 > ${rows.lastCommand}) TO STDOUT (FORMAT binary)`
    const pieces: Buffer[] = []
    for await (const piece of copyOut(coordinator, text)) {
      this.#byteLength += piece.length
      if (this.#byteLength > MAX_BYTES) throw tooMany(target.table)
      pieces.push(piece)
    }
    this.#copies.set(oid, [...(this.#copies.get(oid) ?? []), pieces])
  }

  /** Whether the last try has inserted rows that might meet others in one of these indexes than the known ones do. */
  async hasOthers(
    coordinator: BackendConnection,
    { target, rows }: Mirror,
    indexes: readonly UniqueIndex[],
  ): Promise<boolean> {
    if (rows === undefined) return false
    const known = await this.load(coordinator, target.table)
    const unknown = indexes.map(({ keys }) => {
      const list = keys.join(', ')
      return `(ROW(${list}) IS NOT NULL AND ((${list}) IN (SELECT ${list} FROM ${known})) IS NOT TRUE)`
    })
    const { rows: found } = await query(
      coordinator,
      `SELECT EXISTS (SELECT FROM ${rows.name} WHERE ${SHARD_COLUMN} IS NULL AND (${unknown.join(' OR ')}))`,
    )
    await query(coordinator, `DROP TABLE ${known}`)
    return found[0]?.[0] === 't'
  }

  /** A table of those known, on the coordinator; the caller drops it. */
  async load(coordinator: BackendConnection, table: ClusterTable): Promise<string> {
    const name = scratchQualified(scratchName())
    const columns = allColumns(table)
    const shell = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
    await query(
      coordinator,
      `CREATE UNLOGGED TABLE ${name} AS SELECT ${columns} FROM ${shell} WITH NO DATA`,
    )
    for (const pieces of this.#copies.get(table.oid) ?? []) {
      const copy = copyIn(coordinator, `COPY ${name} (${columns}) FROM STDIN (FORMAT binary)`)
      await copy.started()
      for (const piece of pieces) await copy.write(piece)
      await copy.finish()
    }
    return name
  }
}

/** Generated ones too: an index may hold them. */
export function allColumns({ columns }: ClusterTable): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ')
}

function tooMany({ name }: ClusterTable): RouterError {
  return new RouterError(
    SqlState.configurationLimitExceeded,
    `too many rows for "${name}" at once where ON CONFLICT reads other tables or stands in WITH`,
    { hint: 'Insert fewer rows with one statement, or join what ON CONFLICT needs to them.' },
  )
}
