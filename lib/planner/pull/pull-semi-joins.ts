import type { ClusterTable, DistributedTable } from '../../catalog/catalog.ts'
import type { Analysis } from '../analysis.ts'
import { keptRelations } from '../kept-relations.ts'
import {
  allBlocks,
  type Block,
  distributionKey,
  type Relation,
  resolveColumn,
  tableColumn,
} from '../query-model.ts'
import { mapTree, type RangeVar, type Tree, treeKey } from '../tree.ts'
import { blockConditions, isFiltered, ownConditions } from './pull-filters.ts'

/** An inner join's other side, joined by `=` of columns alone. */
type Neighbour = { readonly relation: Relation; readonly conditions: readonly Tree[] }

type Component = {
  readonly block: Block
  /** Of these an inner join keeps only rows that have partners. */
  readonly kept: readonly Relation[]
  readonly conditions: readonly Tree[]
}

/**
 * What rows of the relation must have in others to matter: `EXISTS (SELECT 1 FROM other WHERE …)` for each that is joined to
 * it by an inner join, has conditions of its own (or a partner with some), and can be read where the relation's shards are.
 */
export function semiJoins(
  { root }: Pick<Analysis, 'root'>,
  relation: Relation,
  table: DistributedTable,
): readonly Tree[] {
  const block = allBlocks(root).find(({ relations }) => relations.includes(relation))
  if (block === undefined || !isFiltered(block, relation)) return []
  const ids = keptRelations(block, false)
  if (!ids.has(relation.id)) return []
  const kept = block.relations.filter((item) => ids.has(item.id) && isNamed(block, item))
  if (!kept.includes(relation)) return []
  const component = { block, kept, conditions: blockConditions(block, relation) }
  return existing(component, relation, table, new Set([relation]))
}

/** Its columns can be qualified by its alias. */
function isNamed({ relations }: Block, { alias, node }: Relation): boolean {
  const isPlain = node.RangeVar !== undefined && node.RangeVar.alias?.colnames === undefined
  return isPlain && relations.filter((other) => other.alias === alias).length === 1
}

function existing(
  component: Component,
  relation: Relation,
  table: ClusterTable,
  seen: Set<Relation>,
): readonly Tree[] {
  const near = neighbours(component, relation).filter(
    ({ relation: other, conditions }) =>
      isReadable(component.block, { table, relation }, other, conditions) && !seen.has(other),
  )
  for (const { relation: other } of near) seen.add(other)
  return near.flatMap(({ relation: other, conditions }) => {
    if (other.table === undefined) return []
    const own = ownConditions(component.block, other, component.conditions)
    const further = existing(component, other, other.table, seen)
    if (own.length + further.length === 0) return []
    const all = [...conditions, ...own].map((tree) => qualified(component.block, tree))
    return [exists(other, [...all, ...further])]
  })
}

function neighbours(
  { block, kept, conditions }: Component,
  relation: Relation,
): readonly Neighbour[] {
  const found = new Map<Relation, Tree[]>()
  for (const condition of conditions) {
    const sides = equatedColumns(block, condition)
    const other = sides?.find((side) => side.relation !== relation)?.relation
    if (other === undefined || !kept.includes(other)) continue
    if (!sides?.some((side) => side.relation === relation)) continue
    const known = found.get(other)
    if (known === undefined) found.set(other, [condition])
    else known.push(condition)
  }
  for (const other of kept) {
    if (other === relation || found.has(other)) continue
    const implied = impliedEqualities(block, conditions, relation, other)
    if (implied.length > 0) found.set(other, [...implied])
  }
  return [...found].map(([other, list]) => ({ relation: other, conditions: list }))
}

/** `a.x = c.z` where `a.x = b.y` and `b.y = c.z`, all of one type: then `=` is of one mind. */
function impliedEqualities(
  block: Block,
  conditions: readonly Tree[],
  relation: Relation,
  other: Relation,
): readonly Tree[] {
  const pairs = conditions.flatMap((condition) => {
    const sides = equatedColumns(block, condition)
    return sides !== undefined && isOneType(sides) ? [sides] : []
  })
  const implied: Tree[] = []
  for (const start of pairs.flat()) {
    if (start.relation !== relation) continue
    for (const end of equalSides(pairs, start)) {
      if (end.relation === other) implied.push(equality(start, end))
    }
  }
  const seen = new Set<string>()
  return implied.filter((tree) => {
    const key = treeKey(tree)
    return seen.has(key) ? false : seen.add(key)
  })
}

function equalSides(pairs: readonly (readonly Side[])[], start: Side): readonly Side[] {
  const found = [start]
  for (const side of found) {
    for (const pair of pairs) {
      if (!pair.some((one) => isSame(one, side))) continue
      for (const one of pair) if (!found.some((known) => isSame(known, one))) found.push(one)
    }
  }
  return found
}

function isSame(a: Side, b: Side): boolean {
  return a.relation === b.relation && a.name === b.name
}

function isOneType(sides: readonly Side[]): boolean {
  const [first, ...others] = sides.map(({ relation, name }) => tableColumn(relation, name))
  return others.every(
    (column) =>
      column !== undefined &&
      column.typeOid === first?.typeOid &&
      column.collation === undefined &&
      first.collation === undefined,
  )
}

function equality(left: Side, right: Side): Tree {
  const [lexpr, rexpr] = [left, right].map(({ relation, name }) => {
    return {
      ColumnRef: { fields: [relation.alias ?? '', name].map((sval) => ({ String: { sval } })) },
    }
  })
  return {
    A_Expr: {
      kind: 'AEXPR_OP',
      name: [{ String: { sval: '=' } }],
      ...(lexpr && { lexpr }),
      ...(rexpr && { rexpr }),
    },
  }
}

type Side = { readonly relation: Relation; readonly name: string }

/** The two columns of `a.x = b.y`, both of this block. */
function equatedColumns(block: Block, { A_Expr }: Tree): readonly Side[] | undefined {
  if (A_Expr?.kind !== 'AEXPR_OP' || A_Expr.name?.length !== 1) return undefined
  if (A_Expr.name[0]?.String?.sval !== '=') return undefined
  const sides = [A_Expr.lexpr, A_Expr.rexpr].map((tree) => columnOf(block, tree))
  const [left, right] = sides
  return left === undefined || right === undefined ? undefined : [left, right]
}

function columnOf(block: Block, tree: Tree | undefined): Side | undefined {
  const reference = tree?.ColumnRef
  const resolved = reference === undefined ? undefined : resolveColumn(block, reference)
  if (resolved?.block !== block || resolved.relation === undefined) return undefined
  if (resolved.visible.key === undefined) return undefined
  return { relation: resolved.relation, name: resolved.visible.name }
}

/** On every node; or in the same shard as `from`'s rows, which are joined to it by the distribution columns. */
function isReadable(
  block: Block,
  from: { readonly table: ClusterTable; readonly relation: Relation },
  { table, ...other }: Relation,
  conditions: readonly Tree[],
): boolean {
  if (table?.kind === 'reference') return true
  if (table?.kind !== 'distributed' || from.table.kind !== 'distributed') return false
  if (table.colocationId !== from.table.colocationId) return false
  if (table.distributionColumn.typeOid !== from.table.distributionColumn.typeOid) return false
  const keys = new Set([
    distributionKey(from.relation, from.table),
    distributionKey({ table, ...other }, table),
  ])
  return conditions.some((condition) =>
    equatedColumns(block, condition)?.every(({ relation, name }) =>
      keys.has(`${relation.id}:${name}`),
    ),
  )
}

function exists({ node }: Relation, conditions: readonly Tree[]): Tree {
  const one: Tree = { ResTarget: { val: { A_Const: { ival: { ival: 1 } } } } }
  const subselect: Tree = {
    SelectStmt: {
      targetList: [one],
      fromClause: [{ RangeVar: node.RangeVar as RangeVar }],
      whereClause: { BoolExpr: { boolop: 'AND_EXPR', args: [...conditions] } },
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  }
  return { SubLink: { subLinkType: 'EXISTS_SUBLINK', subselect } }
}

/** Names inside a subquery mean its own columns first. */
function qualified(block: Block, tree: Tree): Tree {
  return mapTree(tree, (node) => {
    if (node.ColumnRef === undefined) return undefined
    const side = columnOf(block, node)
    if (side === undefined) return node
    const fields = [side.relation.alias ?? '', side.name].map((sval) => ({ String: { sval } }))
    return { ColumnRef: { fields } }
  })
}
