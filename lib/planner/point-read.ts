import type { SelectStmt, Tree } from './tree.ts'

/** All that a point read is made of. No function is among them: none sees the statement's text, or draws a number. */
const NODES: ReadonlySet<string> = new Set([
  'ResTarget',
  'ColumnRef',
  'String',
  'A_Star',
  'RangeVar',
  'JoinExpr',
  'BoolExpr',
  'A_Expr',
  'A_Const',
  'NullTest',
  'SortBy',
])

/** Clauses that it may have. */
const CLAUSES: ReadonlySet<string> = new Set([
  'targetList',
  'fromClause',
  'whereClause',
  'sortClause',
  'limitCount',
  'limitOption',
  'op',
])

const OPERATORS: ReadonlySet<string> = new Set(['=', '<>', '<', '<=', '>', '>=', '+', '-'])
const OWN_SCHEMA = /^(pg_|information_schema$)/

/**
 * Whether a parameter in place of each of the `literals` leaves the statement what it is: a SELECT of columns whose literals
 * are integers and strings, all of them in WHERE as operands of Postgres' own operators. There the server's parser looks at the
 * type alone: integer, or unknown until it knows the other operand's; so it is with LIMIT. In ORDER BY, GROUP BY or a select list a value may mean more.
 */
export function isPointRead({ SelectStmt: select }: Tree, literals: number): boolean {
  if (select === undefined || literals === 0) return false
  const hasOthers = Object.keys(select).some((clause) => !CLAUSES.has(clause))
  if (hasOthers || select.op !== 'SETOP_NONE' || select.whereClause === undefined) return false
  if (!isMadeOf(select.targetList) || !isMadeOf(select.fromClause) || !isMadeOf(sortOf(select))) {
    return false
  }
  if (!isMadeOf(select.whereClause)) return false
  if (select.limitCount !== undefined && !isPlainLimit(select)) return false
  const outside = [select.targetList, select.fromClause, sortOf(select)]
  const inside = constantsIn(select.whereClause) + constantsIn(select.limitCount)
  return inside === literals && outside.every((part) => !hasConstant(part))
}

/** Its number becomes a bigint, whatever it is. */
function isPlainLimit({ limitCount, limitOption }: SelectStmt): boolean {
  const constant = limitCount?.A_Const
  return limitOption === 'LIMIT_OPTION_COUNT' && constant !== undefined && 'ival' in constant
}

function sortOf(select: SelectStmt): unknown {
  return (select as { readonly sortClause?: unknown }).sortClause
}

/** Nodes are objects with one key in upper case. */
function isMadeOf(part: unknown): boolean {
  if (Array.isArray(part)) return part.every(isMadeOf)
  if (typeof part !== 'object' || part === null) return true
  return Object.entries(part).every(([key, value]) => {
    if (!/^[A-Z]/.test(key)) return isMadeOf(value)
    return NODES.has(key) && isAllowed(key, value) && isMadeOf(value)
  })
}

function isAllowed(kind: string, node: unknown): boolean {
  const { A_Expr: operator, RangeVar: relation, A_Const: constant } = { [kind]: node } as Tree
  if (constant !== undefined) return 'ival' in constant || 'sval' in constant
  if (relation !== undefined) {
    const { schemaname = '', relname = '' } = relation
    return !OWN_SCHEMA.test(schemaname) && !OWN_SCHEMA.test(relname)
  }
  if (operator === undefined) return true
  const [name, ...schema] = [...(operator.name ?? [])].reverse()
  const isPlain = operator.kind === 'AEXPR_OP' && schema.length === 0
  return isPlain && OPERATORS.has(name?.String?.sval ?? '')
}

function hasConstant(part: unknown): boolean {
  return constantsIn(part) > 0
}

function constantsIn(part: unknown): number {
  if (Array.isArray(part)) return part.reduce<number>((sum, one) => sum + constantsIn(one), 0)
  if (typeof part !== 'object' || part === null) return 0
  return Object.entries(part).reduce(
    (sum, [key, value]) => sum + (key === 'A_Const' ? 1 : constantsIn(value)),
    0,
  )
}
