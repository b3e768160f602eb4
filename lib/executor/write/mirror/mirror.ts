import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { ClusterTable, Shard } from '../../../catalog/catalog.ts'
import type { MirroredTable } from '../../../planner/write/write-plans.ts'
import { interruptible } from '../../interruptible.ts'
import { query } from '../../node-client.ts'
import { type Filling, fill } from '../../pull/pulled.ts'
import type { Alias } from '../../relay/error-rewriting.ts'
import { quoteIdentifier, quoteLiteral } from '../../relay/quoted-schema.ts'
import {
  createScratchTable,
  dropScratchTable,
  SCRATCH_SCHEMA,
  type ScratchTable,
  scratchName,
  scratchQualified,
} from '../scratch-table.ts'
import { type IdentityColumn, identityOf, SHARD_COLUMN } from './identity.ts'

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
}

/** `filling` undefined: without rows, for a look at its plan. */
export async function createMirror(
  coordinator: BackendConnection,
  target: MirroredTable,
  filling: Filling | undefined,
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
  if (filling !== undefined) {
    await bringRows(coordinator, { name: qualifiedName, oid }, target, filling)
  }
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
    rows: { name: qualifiedName, oid, alias, identity, lastCommand, before },
  }
}

/** The shard and the ctid, at the end of `Failing row contains (…).` */
const HIDDEN = /, (?:\d+|null), (?:\(\d+,\d+\)|null)\)\.$/

function definition({ name, type }: IdentityColumn): string {
  return `${name} ${type}`
}

export function givenColumns({ columns }: Pick<ClusterTable, 'columns'>): readonly string[] {
  return columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
}

async function bringRows(
  coordinator: BackendConnection,
  mirror: { readonly name: string; readonly oid: number },
  { table, rows, pins }: MirroredTable,
  filling: Filling,
): Promise<void> {
  const given = givenColumns(table)
  const identity = identityOf(table)
  if (table.kind === 'distributed' && rows !== undefined) {
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
  // writers of reference tables begin with this copy: whoever has its rows locked comes first on all nodes
  const quoted = given.map(quoteIdentifier)
  const targets = [SHARD_COLUMN, ...identity.map(({ name }) => name), ...quoted].join(', ')
  const values = ['0', ...identity.map(({ of }) => of), ...quoted].join(', ')
  const from = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const locked = `(SELECT * FROM ${from} FOR UPDATE) AS locked`
  const insert = `INSERT INTO ${mirror.name} (${targets}) SELECT ${values} FROM ${locked}`
  await interruptible(coordinator, filling.context.signal, query(coordinator, insert))
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
  if (rows?.before !== undefined) await query(coordinator, `DROP TABLE ${rows.before}`)
  if (rows !== undefined) await query(coordinator, `DROP TABLE ${rows.name}`)
  await dropScratchTable(coordinator, scratch)
}

/** For error messages: the client must read its own tables' names. */
export function mirrorAliases({ scratch, rows }: Mirror): readonly Alias[] {
  return rows === undefined ? [scratch.alias] : [scratch.alias, rows.alias]
}
