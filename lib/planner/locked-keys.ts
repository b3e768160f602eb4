import type { ClusterTable } from '../catalog/catalog.ts'
import { comparedType } from '../catalog/key-value.ts'
import { TypeOid } from '../catalog/type-oid.ts'
import type { Block, Relation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { isRecord, type SelectStmt, type Tree, walkTree } from './tree.ts'

/** `FOR UPDATE OF …`; without names it locks all tables of FROM. */
export type LockingClause = {
  readonly lockedRels?: readonly Tree[]
  readonly strength?: string
  readonly waitPolicy?: string
}

/** A table of FROM whose rows are known by their primary keys. */
export type KeyedTable = {
  readonly relation: Relation
  readonly table: ClusterTable
  /** As the statement may name them. */
  readonly keys: readonly Tree[]
  readonly types: readonly string[]
}

/** Values of these types don't come back from their texts as the same values under every setting. */
const INEXACT_TYPES: ReadonlySet<number> = new Set([
  TypeOid.float4,
  TypeOid.float8,
  TypeOid.timestamptz,
  TypeOid.timetz,
  TypeOid.interval,
])

/** All tables of FROM: together their keys are those of a row of the join. Outer joins have rows without some of them. */
export function keyedTables(
  { relations, children }: Block,
  { fromClause }: SelectStmt,
): readonly KeyedTable[] {
  if (children.some(({ place }) => place !== 'sublink')) refuse('row-locks-limit')
  for (const item of fromClause ?? []) {
    if (!isInner(item)) refuse('row-locks-limit')
  }
  return relations.map((relation) => {
    const { table } = relation
    if (table === undefined) return refuse('row-locks-limit')
    return { relation, table, ...keysOf(relation, table) }
  })
}

function isInner(item: Tree): boolean {
  let found = true
  const check = (join: Readonly<Record<string, unknown>>): void => {
    if (join['jointype'] !== 'JOIN_INNER' || isRecord(join['alias'])) found = false
  }
  if (item.JoinExpr !== undefined) check(item.JoinExpr)
  walkTree(item, (kind, node) => {
    if (kind === 'JoinExpr') check(node)
    return undefined
  })
  return found
}

function keysOf(relation: Relation, table: ClusterTable): Pick<KeyedTable, 'keys' | 'types'> {
  if (table.primaryKey.length === 0) return refuse('row-locks-limit')
  const indexes = table.primaryKey.map((name) =>
    table.columns.findIndex((column) => column.name === name),
  )
  const keys = indexes.map((index) => {
    const column = table.columns[index]
    if (INEXACT_TYPES.has(comparedType(column) ?? 0)) return refuse('row-locks-limit')
    const seen = relation.columns?.[index]
    if (relation.alias === undefined || seen === undefined) return refuse('row-locks-limit')
    return { ColumnRef: { fields: [relation.alias, seen].map((sval) => ({ String: { sval } })) } }
  })
  return { keys, types: indexes.map((index) => table.columns[index]?.typeName ?? '') }
}

const STRENGTHS: Readonly<Record<string, string>> = {
  LCS_FORKEYSHARE: 'KEY SHARE',
  LCS_FORSHARE: 'SHARE',
  LCS_FORNOKEYUPDATE: 'NO KEY UPDATE',
  LCS_FORUPDATE: 'UPDATE',
}
const POLICIES: Readonly<Record<string, string>> = {
  LockWaitSkip: ' SKIP LOCKED',
  LockWaitError: ' NOWAIT',
}

/** Locks the table's rows whose keys are in the arrays that are its parameters, and gives the keys of those that it got. */
export function lockText({ table, types }: KeyedTable, clauses: readonly LockingClause[]): string {
  const columns = table.primaryKey.map(quoteIdentifier).join(', ')
  const arrays = types.map((type, index) => `pg_catalog.unnest($${index + 1}::${type}[])`)
  const locks = clauses.map(({ strength = '', waitPolicy = '' }) => {
    const known = STRENGTHS[strength] ?? refuse('reference-locks')
    return `FOR ${known}${POLICIES[waitPolicy] ?? ''}`
  })
  const name = `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const wanted = `SELECT * FROM ROWS FROM (${arrays.join(', ')}) pgloom_wanted`
  return `SELECT ${columns} FROM ${name} WHERE (${columns}) IN (${wanted}) ORDER BY ${columns} ${locks.join(' ')}`
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
