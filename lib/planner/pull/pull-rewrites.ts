import type { ClusterTable } from '../../catalog/catalog.ts'
import type { Replacement } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { identifierEnd, qualifierRange } from '../qualifiers.ts'
import { allBlocks, type Block, findRelation, type Relation } from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { qualifyingTable } from '../router.ts'
import { lastName, ownExpressions, SYSTEM_COLUMNS, wholeRows } from '../statement-checks.ts'
import type { StatementTables } from '../table-references.ts'
import { type ColumnRef, isRecord, type Tree, walkTree } from '../tree.ts'

/**
 * Where a statement over copies of tables must say something else than over the tables themselves: `schema.table.column`,
 * rows as values of the table's own row type, tableoid. `root` undefined: the statement could not be read.
 */
export function pullRewrites(
  input: PlanInput,
  tables: StatementTables,
  root: Block | undefined,
): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(input.statement, (kind, node) => {
    if (kind === 'ColumnRef') found.push(...columnRewrites(input, tables, root, node))
    return undefined
  })
  for (const block of root === undefined ? [] : allBlocks(root)) {
    const named = outputReferences(block)
    for (const { reference, relation } of wholeRows(block)) {
      if (!named.has(reference)) found.push(rowRewrite(input, reference, relation))
    }
    for (const value of ownExpressions(block)) {
      found.push(...tableOids(input, block, value))
    }
  }
  return found
}

function columnRewrites(
  input: PlanInput,
  tables: StatementTables,
  root: Block | undefined,
  reference: ColumnRef,
): readonly Replacement[] {
  const { fields = [], location = 0 } = reference
  const name = lastName(reference) ?? ''
  const isReadable = root !== undefined && name === 'tableoid' && fields.length < 3
  if (SYSTEM_COLUMNS.has(name) && !isReadable) refuse('system-column', name, location)
  if (root === undefined && namesRow(tables, reference)) refuse('whole-row', undefined, location)
  const table = qualifyingTable(input, fields)
  if (table === undefined) return []
  const range = qualifierRange(input.text, location, fields.length)
  return [{ ...range, text: `${quotedName(pulledAlias(tables, table))}.` }]
}

function namesRow({ references }: StatementTables, { fields }: ColumnRef): boolean {
  if (fields?.length !== 1) return false
  const name = fields[0]?.String?.sval
  return references.some(
    ({ node, table }) =>
      table?.kind === 'distributed' && (node.alias?.aliasname ?? node.relname) === name,
  )
}

/**
 * The name of a copy whose table has no alias: the table's own, unless the statement reads two tables of one name. Then
 * nothing but `schema.table.column` can tell them apart in the statement, and that is rewritten.
 */
export function pulledAlias(
  { references }: StatementTables,
  { schema, name, oid }: ClusterTable,
): string {
  const isShared = references.some(
    ({ node, table }) =>
      node.alias === undefined && node.relname === name && table !== undefined && table.oid !== oid,
  )
  return isShared ? `${schema}.${name}` : name
}

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Names alone in GROUP BY, ORDER BY and DISTINCT ON that are outputs' names. */
function outputReferences({ select, outputs }: Block): ReadonlySet<ColumnRef | undefined> {
  const sorted = select?.sortClause?.map(({ SortBy }) => SortBy?.node) ?? []
  const items = [...sorted, ...(select?.groupClause ?? []), ...(select?.distinctClause ?? [])]
  const references = items.map((item) => item?.ColumnRef)
  return new Set(
    references.filter((reference) =>
      outputs?.some(({ name }) => name === (reference && lastName(reference))),
    ),
  )
}

/** As a sublink the value keeps the name that the output column takes from it. Rows that an outer join made up are NULL. */
function rowRewrite(input: PlanInput, reference: ColumnRef, relation: Relation): Replacement {
  const { fields = [], location = 0 } = reference
  const { table } = relation
  const name = quotedName(fields[0]?.String?.sval ?? '')
  if (fields.length !== 1 || table === undefined) return refuse('whole-row', undefined, location)
  const type = `${quotedName(table.schema)}.${quotedName(table.name)}`
  const text = `(SELECT CASE WHEN ${isRow(name)} THEN ROW(${name}.*)::${type} END AS ${name})`
  return { ...nameRange(input, location), text }
}

function isRow(name: string): string {
  return `pg_catalog.num_nulls(${name}) OPERATOR(pg_catalog.=) 0`
}

function nameRange({ text }: PlanInput, start: number) {
  const { end } = qualifierRange(text, start, 1)
  return { start, end: identifierEnd(text, end) }
}

function tableOids(input: PlanInput, block: Block, value: unknown): readonly Replacement[] {
  if (Array.isArray(value)) return value.flatMap((item) => tableOids(input, block, item))
  if (!isRecord(value)) return []
  const { ColumnRef: reference, SubLink } = value as Tree
  if (SubLink !== undefined) return tableOids(input, block, SubLink.testexpr)
  if (reference === undefined) return tableOids(input, block, Object.values(value))
  return lastName(reference) === 'tableoid' ? [tableOidRewrite(input, block, reference)] : []
}

function tableOidRewrite(input: PlanInput, block: Block, reference: ColumnRef): Replacement {
  const { fields = [], location = 0 } = reference
  const [only, ...others] = block.relations
  const isAlone = fields.length === 1 && others.length === 0
  const relation = isAlone ? only : findRelation(block, [fields.at(-2)?.String?.sval])
  const { alias, table } = relation ?? {}
  if (alias === undefined || table?.kind !== 'distributed') {
    return refuse('system-column', 'tableoid', location)
  }
  const start = location
  const { end } = qualifierRange(input.text, start, fields.length)
  const text = `(SELECT CASE WHEN ${isRow(quotedName(alias))} THEN pg_catalog.oid '${table.oid}' END AS tableoid)`
  return { start, end: identifierEnd(input.text, end), text }
}
