import type { TableReference } from './table-references.ts'
import { isRecord, strings, type Tree, walkTree } from './tree.ts'

/**
 * Names of columns that a statement can be using of one mention of a table, or all. By name alone, whatever the name
 * turns out to mean: rather too many than one too few.
 */
export function usedColumns(
  statement: Tree,
  { node, table }: TableReference,
): ReadonlySet<string> | 'all' {
  const alias = node.alias?.aliasname ?? node.relname ?? ''
  if (node.alias?.colnames !== undefined) return 'all'
  const used = new Set<string>(needsKey(statement) ? table?.primaryKey : [])
  let isAll = false
  walkTree(statement, (kind, body) => {
    isAll ||= takesAll(kind, body, alias)
    const list = kind === 'JoinExpr' ? body['usingClause'] : body['fields']
    for (const name of strings(list as readonly Tree[] | undefined)) used.add(name)
    return !isAll
  })
  return isAll ? 'all' : used
}

function takesAll(kind: string, body: Readonly<Record<string, unknown>>, alias: string): boolean {
  if (kind === 'JoinExpr') return body['isNatural'] === true
  return kind === 'ColumnRef' && isWholeRow((body['fields'] ?? []) as readonly Tree[], alias)
}

/** `*`, `alias.*`, or the alias itself. */
function isWholeRow(fields: readonly Tree[], alias: string): boolean {
  if (fields.at(-1)?.A_Star !== undefined) {
    return fields.length === 1 || fields.at(-2)?.String?.sval === alias
  }
  return fields.length === 1 && fields[0]?.String?.sval === alias
}

function needsKey(statement: Tree): boolean {
  let found = false
  walkTree(statement, (_kind, node) => {
    if (isRecord(node) && node['groupClause'] !== undefined) found = true
    return !found
  })
  return found
}
