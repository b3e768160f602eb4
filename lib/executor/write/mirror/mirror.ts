import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { Shard } from '../../../catalog/catalog.ts'
import type { MirroredTable } from '../../../planner/write/write-plans.ts'
import { query } from '../../node-client.ts'
import { type Filling, fill } from '../../pull/pulled.ts'
import type { Alias } from '../../relay/error-rewriting.ts'
import { quoteLiteral } from '../../relay/quoted-schema.ts'
import {
  createScratchTable,
  dropScratchTable,
  SCRATCH_SCHEMA,
  type ScratchTable,
  scratchName,
  scratchQualified,
} from '../scratch-table.ts'
import { bringCopy, bringMet } from './bring-met.ts'
import { type IdentityColumn, identityOf, SHARD_COLUMN } from './identity.ts'
import { createView, type MirrorView } from './mirror-view.ts'
import type { ProposedRows } from './proposed-rows.ts'
import { uniqueIndexes } from './unique-indexes.ts'

/**
 * A table of the target's shape that the client's statement changes instead. Rows that it inserts lie in `scratch` itself; those
 * that were there lie in a table that inherits from it, with what tells them apart on their node in columns that the
 * statement never sees.
 */
export type Mirror = {
  readonly target: MirroredTable
  readonly scratch: ScratchTable
  /** undefined: the statement only inserts. */
  readonly rows: MirroredRows | undefined
}

export type MirroredRows = {
  readonly name: string
  readonly oid: number
  readonly alias: Alias
  readonly identity: readonly IdentityColumn[]
  /** Rows of later commands (cmin) were updated since they came. */
  readonly lastCommand: string
  /** Of all rows as they came; undefined: none can be deleted. */
  readonly before: string | undefined
  /** Where rows are inserted that may meet those; undefined: without ON CONFLICT. */
  readonly view: MirrorView | undefined
}

/** The name that the statement is given for the table. */
export function mirrorName({ scratch, rows }: Mirror): string {
  return rows?.view?.qualifiedName ?? scratch.qualifiedName
}

/** `filling` undefined: without rows, for a look at its plan. */
export async function createMirror(
  coordinator: BackendConnection,
  target: MirroredTable,
  filling: Filling | undefined,
  proposed: ProposedRows,
): Promise<Mirror> {
  const scratch = await createScratchTable(coordinator, target.table)
  if (!target.isRead) return { target, scratch, rows: undefined }
  const name = scratchName()
  const qualifiedName = scratchQualified(name)
  const identity = identityOf(target.table)
  const definitions = [`${SHARD_COLUMN} pg_catalog.int4`, ...identity.map(definition)]
  await query(
    coordinator,
    `CREATE UNLOGGED TABLE ${qualifiedName} (${definitions.join(', ')}) INHERITS (${scratch.qualifiedName})`,
  )
  const asked = await query(coordinator, `SELECT ${quoteLiteral(qualifiedName)}::regclass::oid`)
  const oid = Number(asked.rows[0]?.[0])
  const own = { name: qualifiedName, oid }
  const { table, conflicts } = target
  const indexes = conflicts === undefined ? [] : await uniqueIndexes(coordinator, table)
  if (filling !== undefined) {
    const isWhole = conflicts === undefined || conflicts.needsAll || proposed.needsAll
    if (isWhole) await bringRows(coordinator, own, target, filling)
    else await bringMet(coordinator, own, target, { filling, indexes, proposed })
  }
  const view =
    conflicts === undefined ? undefined : await createView(coordinator, table, own.name, indexes)
  const { rows } = await query(
    coordinator,
    `SELECT coalesce(max(cmin::text::int8), -1) FROM ${qualifiedName}`,
  )
  const before = target.deletes ? await remember(coordinator, qualifiedName, identity) : undefined
  const { schema, name: shownName } = target.table
  const alias = { schema: SCRATCH_SCHEMA, name, shownSchema: schema, shownName, hidden: HIDDEN }
  const lastCommand = rows[0]?.[0] ?? '-1'
  return {
    target,
    scratch,
    rows: { name: qualifiedName, oid, alias, identity, lastCommand, before, view },
  }
}

/** The shard and the ctid, at the end of `Failing row contains (…).` */
const HIDDEN = /, (?:\d+|null), (?:\(\d+,\d+\)|null)\)\.$/

function definition({ name, type }: IdentityColumn): string {
  return `${name} ${type}`
}

async function bringRows(
  coordinator: BackendConnection,
  mirror: { readonly name: string; readonly oid: number },
  { table, rows, pins }: MirroredTable,
  filling: Filling,
): Promise<void> {
  const given = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const identity = identityOf(table)
  if (table.kind === 'distributed') {
    if (rows === undefined) throw new Error('a shard is asked for rows by a query')
    const columns = [SHARD_COLUMN, ...identity.map(({ name }) => name), ...given]
    const around = (text: Buffer, { index }: Shard) =>
      Buffer.from(`SELECT ${index}::pg_catalog.int4, m.* FROM (${text}) AS m`)
    await fill(
      mirror,
      { ...rows, table, pins, columns, around, access: 'write' },
      coordinator,
      filling,
    )
    return
  }
  await bringCopy(coordinator, mirror.name, table, 'FOR UPDATE', filling)
}

async function remember(
  coordinator: BackendConnection,
  name: string,
  identity: readonly IdentityColumn[],
): Promise<string> {
  const before = scratchQualified(scratchName())
  const columns = [SHARD_COLUMN, ...identity.map((column) => column.name)].join(', ')
  await query(coordinator, `CREATE UNLOGGED TABLE ${before} AS SELECT ${columns} FROM ${name}`)
  return before
}

export async function dropMirror(
  coordinator: BackendConnection,
  { rows, scratch }: Mirror,
): Promise<void> {
  if (rows?.view !== undefined) await query(coordinator, `DROP VIEW ${rows.view.qualifiedName}`)
  if (rows?.before !== undefined) await query(coordinator, `DROP TABLE ${rows.before}`)
  if (rows !== undefined) await query(coordinator, `DROP TABLE ${rows.name}`)
  await dropScratchTable(coordinator, scratch)
}

/** For error messages: the client must read its own tables' names. */
export function mirrorAliases({ scratch, rows }: Mirror): readonly Alias[] {
  if (rows === undefined) return [scratch.alias]
  return [scratch.alias, rows.alias, ...(rows.view?.aliases ?? [])]
}
