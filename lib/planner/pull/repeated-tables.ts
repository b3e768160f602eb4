import { type RangeVar, type SelectStmt, type Tree, treeKey, walkTree } from '../tree.ts'

const known = new WeakMap<Tree, ReadonlySet<RangeVar>>()

/**
 * Tables in subqueries that GROUP BY, ORDER BY or DISTINCT ON share with another clause: Postgres takes two of these for one only
 * if they read the same table.
 */
export function repeatedTables(statement: Tree): ReadonlySet<RangeVar> {
  const found = known.get(statement) ?? readRepeated(statement)
  known.set(statement, found)
  return found
}

function readRepeated(statement: Tree): ReadonlySet<RangeVar> {
  const keys = new Set<string>()
  walkTree(statement, (kind, node) => {
    if (kind !== 'SelectStmt') return undefined
    const { groupClause, sortClause, distinctClause } = node as SelectStmt
    for (const link of subLinks([groupClause, sortClause, distinctClause])) keys.add(treeKey(link))
    return undefined
  })
  const tables = new Set<RangeVar>()
  if (keys.size === 0) return tables
  for (const link of subLinks(statement)) {
    if (!keys.has(treeKey(link))) continue
    walkTree(link, (kind, node) => {
      if (kind === 'RangeVar') tables.add(node as RangeVar)
      return undefined
    })
  }
  return tables
}

function subLinks(value: unknown): readonly object[] {
  const found: object[] = []
  walkTree(value, (kind, node) => {
    if (kind === 'SubLink') found.push(node)
    return undefined
  })
  return found
}
