import { mayDependOnKey } from './pull/key-dependence.ts'
import { isStar } from './statement-checks.ts'
import type { TableReference } from './table-references.ts'
import { mapTree, strings, type Tree, walkTree } from './tree.ts'

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
  const isKeyUsed = table !== undefined && mayDependOnKey(statement, table)
  const used = new Set<string>(isKeyUsed ? table.primaryKey : [])
  let isAll = false
  walkTree(withoutShown(statement), (kind, body) => {
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

/** What `EXISTS (SELECT * …)` shows doesn't matter. */
function withoutShown(statement: Tree): Tree {
  return mapTree(statement, (node) => {
    const { SubLink } = node
    const select = SubLink?.subselect?.SelectStmt
    if (SubLink?.subLinkType !== 'EXISTS_SUBLINK' || select?.targetList === undefined) {
      return undefined
    }
    const { targetList, ...rest } = select
    const isStarAlone = targetList.length === 1 && isStar(targetList[0]?.ResTarget?.val)
    const { distinctClause = select.groupClause } = select
    if (!isStarAlone || distinctClause !== undefined) return undefined
    const subselect = withoutShown({ SelectStmt: rest })
    return { SubLink: { ...SubLink, subselect } }
  })
}
