import type { ClusterTable, Column, DistributedTable } from '../catalog/catalog.ts'
import {
  type ColumnRef,
  type SelectStmt,
  type SubLink,
  type Tree,
  treeKey,
  type UpdateStmt,
} from './tree.ts'

/**
 * A statement as blocks (one for each SELECT, arm of a set operation or modifying command at any depth) and the
 * relations in their FROM lists. Column keys name one column of one relation: `relation id : column name`.
 */
export type ColumnKey = string

export type Relation = {
  readonly id: number
  /** The name that qualifies its columns; undefined where there is none. */
  readonly alias: string | undefined
  readonly kind: 'table' | 'local' | 'subquery' | 'cte' | 'function' | 'values' | 'unknown'
  readonly table: ClusterTable | undefined
  /** Names that the query sees, in order; undefined: not known. For a table, columns[i] is table.columns[i]. */
  readonly columns: readonly string[] | undefined
  readonly block: Block | undefined
  readonly isLateral: boolean
  readonly hasExplicitAlias: boolean
  readonly node: Tree
}

/** A column as a FROM list shows it to unqualified names and `*`. */
export type VisibleColumn = {
  readonly name: string
  /** undefined: merged by a FULL JOIN … USING; then both sides are in `merged`. */
  readonly key: ColumnKey | undefined
  readonly merged: readonly ColumnKey[]
}

export type Output = { readonly name: string; readonly expression: Tree | undefined }

export type Block = {
  readonly id: number
  readonly kind: 'select' | 'set-operation' | 'values' | 'insert' | 'update' | 'delete' | 'merge'
  readonly parent: Block | undefined
  readonly select: SelectStmt | undefined
  /** Of UPDATE and DELETE: the statement itself, its FROM or USING list and its conditions. */
  modify: ModifyParts | undefined
  readonly relations: Relation[]
  /** false: a relation of FROM has columns that are not known. */
  knowsColumns: boolean
  visible: readonly VisibleColumn[]
  /** Output columns; undefined: not known. */
  outputs: readonly Output[] | undefined
  readonly children: Child[]
  readonly arms: Block[]
  isRecursive: boolean
}

export type ModifyParts = {
  readonly statement: UpdateStmt
  readonly from: readonly Tree[]
}

/** A block inside another: in FROM, in an expression, or as a CTE. */
export type Child = {
  readonly block: Block
  readonly place: 'from' | 'sublink' | 'cte'
  /** For IN and its kin: what is compared with the child's outputs by `=`, in order. */
  readonly compared: readonly Tree[]
  /** The sublink itself. */
  readonly link: SubLink | undefined
}

export function columnKey(relation: Relation, name: string): ColumnKey {
  return `${relation.id}:${name}`
}

/** The key of the relation's distribution column, under the name that the query sees. */
export function distributionKey(
  relation: Relation,
  table: DistributedTable,
): ColumnKey | undefined {
  const index = table.columns.findIndex(({ name }) => name === table.distributionColumn.name)
  const name = relation.columns?.[index]
  return name === undefined ? undefined : columnKey(relation, name)
}

/** The catalog's column for a name that the query sees; aliases may have renamed it. */
export function tableColumn(relation: Relation, name: string): Column | undefined {
  const index = relation.columns?.indexOf(name) ?? -1
  return index < 0 ? undefined : relation.table?.columns[index]
}

export type Resolved = {
  readonly block: Block
  readonly relation: Relation | undefined
  readonly visible: VisibleColumn
}

/** The column that a reference means, looked for in the block and then outwards; undefined: not known. */
export function resolveColumn(block: Block, reference: ColumnRef): Resolved | undefined {
  const fields = reference.fields ?? []
  const names = fields.map((field) => field.String?.sval)
  if (names.some((name) => name === undefined)) return undefined
  const name = names.at(-1) ?? ''
  for (let scope: Block | undefined = block; scope !== undefined; scope = scope.parent) {
    const found = names.length === 1 ? unqualified(scope, name) : qualified(scope, names, name)
    if (found === 'unknown') return undefined
    if (found !== undefined) return found
  }
  return undefined
}

function unqualified(scope: Block, name: string): Resolved | 'unknown' | undefined {
  const matches = scope.visible.filter((column) => column.name === name)
  const [visible] = matches
  if (matches.length > 1) return 'unknown'
  if (visible === undefined) return scope.knowsColumns ? undefined : 'unknown'
  const id = Number((visible.key ?? '').split(':')[0])
  return { block: scope, relation: scope.relations.find((item) => item.id === id), visible }
}

function qualified(
  scope: Block,
  names: readonly (string | undefined)[],
  name: string,
): Resolved | 'unknown' | undefined {
  const relation = findRelation(scope, names.slice(0, -1))
  if (relation === undefined) return undefined
  if (relation.columns === undefined) return 'unknown'
  if (!relation.columns.includes(name)) return 'unknown'
  const key = columnKey(relation, name)
  return { block: scope, relation, visible: { name, key, merged: [] } }
}

export function findRelation(
  scope: Block,
  qualifiers: readonly (string | undefined)[],
): Relation | undefined {
  const alias = qualifiers.at(-1)
  const schema = qualifiers.at(-2)
  return scope.relations.find((relation) => {
    if (relation.alias !== alias) return false
    if (schema === undefined) return true
    return !relation.hasExplicitAlias && relation.table?.schema === schema
  })
}

/** The relation that a one-name reference means as a whole row, if it is no column. */
export function wholeRowRelation(block: Block, reference: ColumnRef): Relation | undefined {
  const fields = reference.fields ?? []
  const first = fields[0]?.String?.sval
  const isStar = fields.length === 2 && fields[1]?.A_Star !== undefined
  if (first === undefined || (fields.length !== 1 && !isStar)) return undefined
  // a column of any level comes before a relation
  if (!isStar && scopes(block).some(({ visible }) => visible.some(({ name }) => name === first)))
    return undefined
  for (const scope of scopes(block)) {
    const relation = findRelation(scope, [first])
    if (relation !== undefined) return relation
  }
  return undefined
}

/** The block, then those around it. */
function scopes(block: Block): readonly Block[] {
  const found: Block[] = []
  for (let scope: Block | undefined = block; scope !== undefined; scope = scope.parent)
    found.push(scope)
  return found
}

/** All blocks of the statement, parents first. */
export function allBlocks(root: Block): readonly Block[] {
  return [
    root,
    ...root.arms.flatMap(allBlocks),
    ...root.children.flatMap(({ block }) => allBlocks(block)),
  ]
}

/** Relations of the block and of everything inside it. */
export function allRelations(root: Block): readonly Relation[] {
  return allBlocks(root).flatMap(({ relations }) => relations)
}

/**
 * The outputs that a name alone means in GROUP BY, ORDER BY or DISTINCT ON: several different ones are an error, one that
 * is shown twice is not.
 */
export function namedOutputs(block: Block, item: Tree): readonly Output[] {
  const fields = item.ColumnRef?.fields
  const name = fields?.[0]?.String?.sval
  if (fields?.length !== 1 || name === undefined) return []
  const different = new Map<string, Output>()
  for (const output of block.outputs ?? []) {
    if (output.name !== name) continue
    const key = expressionKey(block, output.expression)
    if (!different.has(key)) different.set(key, output)
  }
  return [...different.values()]
}

function expressionKey(block: Block, expression: Tree | undefined): string {
  const reference = expression?.ColumnRef
  const visible = reference === undefined ? undefined : resolveColumn(block, reference)?.visible
  return visible === undefined ? treeKey(expression ?? {}) : (visible.key ?? visible.merged.join())
}

/** An item of ORDER BY or DISTINCT ON: an ordinal, an output's name, else an expression over the input. */
export function outputOrInput(block: Block, item: Tree): Tree {
  const ordinal = item.A_Const?.ival?.ival
  const [output] =
    ordinal === undefined ? namedOutputs(block, item) : [block.outputs?.[ordinal - 1]]
  return output?.expression ?? item
}
