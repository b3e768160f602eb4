import type { DistributedTable } from '../catalog/catalog.ts'
import { groupKeys } from './group-keys.ts'
import { keptRelations } from './kept-relations.ts'
import {
  type Block,
  type ColumnKey,
  columnKey,
  distributionKey,
  findRelation,
  type Relation,
  resolveColumn,
} from './query-model.ts'
import { builtinName, type ColumnRef, type FuncCall, type Tree } from './tree.ts'

/** The row of a distributed table whose ctid an expression is. Two of one table that are equal are one row, in one shard. */
export type NamedRow = {
  readonly table: DistributedTable
  /** What holds the row's distribution column; undefined: nothing that is known. */
  readonly key: ColumnKey | undefined
  /** It is never null. */
  readonly isKept: boolean
}

export function namedRow(block: Block, tree: Tree | undefined): NamedRow | undefined {
  if (tree?.ColumnRef !== undefined) return referredRow(block, tree.ColumnRef)
  return tree?.FuncCall === undefined ? undefined : firstRow(block, tree.FuncCall)
}

/** Where a column of a subquery is a row's ctid: the distribution column of that row, which the subquery need not show. */
export function rowKey(column: ColumnKey): ColumnKey {
  return `${column}\0row`
}

/** Of rows that are grouped by the distribution column, the first has the group's. */
function firstRow(block: Block, call: FuncCall): NamedRow | undefined {
  const name = builtinName(call)
  const [argument, ...others] = call.args ?? []
  if ((name !== 'min' && name !== 'max') || others.length > 0) return undefined
  if (call.over !== undefined) return undefined
  const row = namedRow(block, argument)
  if (row === undefined) return undefined
  const isKeyed = groupKeys(block.select ?? {}, block.outputs)?.some((item) => {
    const reference = item.ColumnRef
    return reference !== undefined && resolveColumn(block, reference)?.visible.key === row.key
  })
  const key = isKeyed === true ? row.key : undefined
  const isKept = row.isKept && key !== undefined && call.agg_filter === undefined
  return { table: row.table, key, isKept }
}

function referredRow(block: Block, { fields = [] }: ColumnRef): NamedRow | undefined {
  const names = fields.map((field) => field.String?.sval)
  const name = names.at(-1)
  if (name === undefined) return undefined
  for (let scope: Block | undefined = block; scope !== undefined; scope = scope.parent) {
    const found = names.length === 1 ? owner(scope, name) : findRelation(scope, names.slice(0, -1))
    if (found === 'unknown') return undefined
    if (found !== undefined) return relationRow(scope, found, name)
  }
  return undefined
}

/** The relation whose column a name alone means. */
function owner(scope: Block, name: string): Relation | 'unknown' | undefined {
  const [first, ...others] = scope.visible.filter((column) => column.name === name)
  if (others.length > 0) return 'unknown'
  if (first !== undefined) {
    const id = Number((first.key ?? '').split(':')[0])
    return scope.relations.find((relation) => relation.id === id) ?? 'unknown'
  }
  if (!scope.knowsColumns) return 'unknown'
  if (name !== 'ctid') return undefined
  // subqueries and functions have none
  const tables = scope.relations.filter(({ kind }) => kind === 'table' || kind === 'local')
  return tables.length > 1 ? 'unknown' : tables[0]
}

function relationRow(scope: Block, relation: Relation, name: string): NamedRow | undefined {
  const { table, block, columns } = relation
  const isFilled = keptRelations(scope, false).has(relation.id)
  if (table?.kind === 'distributed') {
    if (name !== 'ctid' || columns?.includes(name) !== false) return undefined
    return { table, key: distributionKey(relation, table), isKept: isFilled }
  }
  if (block?.kind !== 'select' || block.isRecursive) return undefined
  const index = columns?.indexOf(name) ?? -1
  const row = namedRow(block, block.outputs?.[index]?.expression)
  if (row === undefined) return undefined
  const key = row.key === undefined ? undefined : rowKey(columnKey(relation, name))
  return { table: row.table, key, isKept: row.isKept && isFilled }
}
