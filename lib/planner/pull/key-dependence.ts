import type { ClusterTable } from '../../catalog/catalog.ts'
import { isRecord, strings, type Tree } from '../tree.ts'

type Body = Readonly<Record<string, unknown>>

/**
 * Somewhere in the statement GROUP BY may name the whole primary key, so that the table's other columns may be shown without being
 * grouped by. By names alone: rather once too often than once too rarely.
 */
export function mayDependOnKey(
  statement: Tree,
  { primaryKey }: Pick<ClusterTable, 'primaryKey'>,
): boolean {
  if (primaryKey.length === 0) return false
  const items: Tree[] = []
  visitRecords(statement, ({ groupClause }) => {
    if (Array.isArray(groupClause)) items.push(...(groupClause as readonly Tree[]))
  })
  if (items.length === 0) return false
  const names = new Set<string>()
  visitRecords(items, ({ ColumnRef }) => {
    for (const name of strings((ColumnRef as Tree['ColumnRef'])?.fields)) names.add(name)
  })
  // an ordinal may be any column
  if (items.some(({ A_Const }) => A_Const !== undefined) || renames(statement, names)) return true
  return primaryKey.every((name) => names.has(name))
}

/** A grouped name is an output's, or columns have other names than their tables'. */
function renames(statement: Tree, names: ReadonlySet<string>): boolean {
  let found = false
  visitRecords(statement, ({ ResTarget, RangeVar, JoinExpr }) => {
    const { name = '', val } = (ResTarget ?? {}) as NonNullable<Tree['ResTarget']>
    if (names.has(name) && val?.ColumnRef !== undefined) found = true
    const aliases = [RangeVar, JoinExpr].map((item) => (item as Tree['RangeVar'])?.alias)
    if (aliases.some((alias) => alias?.colnames !== undefined)) found = true
  })
  return found
}

function visitRecords(value: unknown, visit: (body: Body) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visitRecords(item, visit)
    return
  }
  if (!isRecord(value)) return
  visit(value)
  for (const child of Object.values(value)) visitRecords(child, visit)
}
