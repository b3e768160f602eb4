import type { SelectStmt, Tree } from '../../../lib/planner/tree.ts'
import type { ParserHost } from '../../../lib/sql/parser-host.ts'

/**
 * Which output columns (0 based) a SELECT's rows are ordered by, as far as ORDER BY's first items are output columns: so
 * much of the rows' order is determined. An item that is something else ends the list.
 */
export function orderedColumns(parser: ParserHost, sql: string): readonly number[] {
  const { stmts } = parser.parse(Buffer.from(sql)) as unknown as {
    readonly stmts: readonly { readonly stmt: Tree }[]
  }
  const select = stmts[0]?.stmt.SelectStmt ?? {}
  const columns: number[] = []
  for (const { SortBy } of select.sortClause ?? []) {
    const column = outputColumn(leftmost(select), SortBy?.node ?? {})
    if (column < 0) break
    columns.push(column)
  }
  return columns
}

/** The arm of a set operation that names its columns. */
function leftmost(select: SelectStmt): SelectStmt {
  return select.larg === undefined ? select : leftmost(select.larg)
}

/** An ordinal, an output's name, or the same expression. */
function outputColumn({ targetList = [] }: SelectStmt, item: Tree): number {
  if (targetList.some(({ ResTarget }) => isStar(ResTarget?.val))) return -1
  const ordinal = item.A_Const?.ival?.ival
  if (ordinal !== undefined) return ordinal - 1
  const fields = item.ColumnRef?.fields ?? []
  const name = fields.length === 1 ? fields[0]?.String?.sval : undefined
  const named = targetList.findIndex(
    ({ ResTarget }) => name !== undefined && targetName(ResTarget) === name,
  )
  if (named >= 0) return named
  return targetList.findIndex(({ ResTarget }) => printed(ResTarget?.val) === printed(item))
}

function isStar(tree: Tree | undefined): boolean {
  return tree?.ColumnRef?.fields?.at(-1)?.A_Star !== undefined
}

function targetName(target: Tree['ResTarget']): string | undefined {
  return target?.name ?? target?.val?.ColumnRef?.fields?.at(-1)?.String?.sval
}

function printed(tree: Tree | undefined): string {
  return JSON.stringify(tree, (key, value: unknown) => (key === 'location' ? undefined : value))
}
