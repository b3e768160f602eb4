import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { ClusterTable } from '../../catalog/catalog.ts'
import { query } from '../node-client.ts'
import type { Alias } from '../relay/error-rewriting.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'

/** Made by the metadata's installation; every role may create in it. */
export const SCRATCH_SCHEMA = 'pgloom_scratch'

/**
 * A table of a cluster table's shape on the coordinator that exists only inside the transaction at hand: rows are
 * evaluated into it by Postgres before they go to where they belong. Not a temporary one: those forbid two-phase commit.
 */
export type ScratchTable = {
  readonly oid: number
  readonly qualifiedName: string
  /** For error messages: the client must read its own table's name. */
  readonly alias: Alias
}

/** A name that no other table has. */
export function scratchName(): string {
  return `scratch_${randomBytes(8).toString('hex')}`
}

export function scratchQualified(name: string): string {
  return `${quoteIdentifier(SCRATCH_SCHEMA)}.${quoteIdentifier(name)}`
}

export async function createScratchTable(
  coordinator: BackendConnection,
  table: ClusterTable,
): Promise<ScratchTable> {
  const name = scratchName()
  const qualifiedName = scratchQualified(name)
  const original = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  await query(
    coordinator,
    `CREATE UNLOGGED TABLE ${qualifiedName} (LIKE ${original} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS)`,
  )
  if (table.columns.some(({ hasDefault, isGenerated }) => hasDefault && !isGenerated)) {
    await shareIdentities(coordinator, table, original, qualifiedName)
  }
  const { rows } = await query(coordinator, `SELECT ${quoteLiteral(qualifiedName)}::regclass::oid`)
  return {
    oid: Number(rows[0]?.[0]),
    qualifiedName,
    alias: { schema: SCRATCH_SCHEMA, name, shownSchema: table.schema, shownName: table.name },
  }
}

/** An identity column draws from the table's own sequence; LIKE would make another, which starts from 1. */
async function shareIdentities(
  coordinator: BackendConnection,
  { oid }: ClusterTable,
  original: string,
  qualifiedName: string,
): Promise<void> {
  const { rows } = await query(
    coordinator,
    `SELECT a.attname, pg_catalog.pg_get_serial_sequence(${quoteLiteral(original)}, a.attname)
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = ${oid} AND a.attidentity <> '' AND NOT a.attisdropped`,
  )
  for (const [column, sequence] of rows) {
    if (column === undefined || sequence === undefined) continue
    await query(
      coordinator,
      `ALTER TABLE ${qualifiedName} ALTER COLUMN ${quoteIdentifier(column)}
       SET DEFAULT pg_catalog.nextval(${quoteLiteral(sequence)}::regclass)`,
    )
  }
}

export async function dropScratchTable(
  coordinator: BackendConnection,
  { qualifiedName }: ScratchTable,
): Promise<void> {
  await query(coordinator, `DROP TABLE ${qualifiedName}`)
}

/** A trigger on a shard that drops rows, or a bug of ours: nothing of it is committed. */
export function lostRows({ name }: ClusterTable, expected: number, actual: number): RouterError {
  return new RouterError(
    SqlState.internalError,
    `only ${actual} of ${expected} rows of "${name}" arrived on their shards`,
    { hint: 'A trigger that skips rows cannot be used with this kind of INSERT or COPY.' },
  )
}
