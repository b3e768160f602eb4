import type { Column } from '../catalog/catalog.ts'
import { groupKeys, windowsOf } from './group-keys.ts'
import { isKeptColumn, relationOf } from './kept-relations.ts'
import { areComparable, keySource } from './key-source.ts'
import type { ModelBuilder } from './model-builder.ts'
import { usingColumns } from './model-builder.ts'
import { type NamedRow, namedRow, rowKey } from './named-rows.ts'
import type { KeySource } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import {
  allBlocks,
  type Block,
  type Child,
  type ColumnKey,
  columnKey,
  outputOrInput,
  type Relation,
  resolveColumn,
} from './query-model.ts'
import {
  conjuncts,
  type JoinExpr,
  type MergeStmt,
  type OperatorExpr,
  strings,
  type Tree,
} from './tree.ts'

/**
 * Which columns can only have the values of which others, in the rows that matter for the result. An edge
 * `source -> target` means: rows of target's relation whose column differs from all of source's values may be left
 * out without changing the result. Hence edges from WHERE go both ways, those of an outer join's ON only towards the side
 * that may be null, those into a subquery only where its rows can be filtered before it computes.
 */
export class ValueFlow {
  readonly #input: PlanInput
  readonly #edges = new Map<ColumnKey, ColumnKey[]>()
  readonly #constants = new Map<ColumnKey, readonly KeySource[]>()
  readonly #types = new Map<ColumnKey, Column>()
  readonly #builder: ModelBuilder

  constructor(input: PlanInput, builder: ModelBuilder, root: Block) {
    this.#input = input
    this.#builder = builder
    const blocks = allBlocks(root)
    for (const block of blocks) this.#addTypes(block)
    // a subquery's columns have the types of what they show: inner ones first
    for (const block of blocks.toReversed())
      for (const item of block.relations) this.#linkBlock(item)
    // and CTEs may read those before them; an edge that is there twice does no harm
    for (const block of blocks) for (const item of block.relations) this.#linkBlock(item)
    for (const block of blocks) this.#addConditions(block)
    for (const block of blocks) for (const child of block.children) this.#linkCompared(block, child)
  }

  columnType(key: ColumnKey | undefined): Column | undefined {
    return key === undefined ? undefined : this.#types.get(key)
  }

  /** For every column that has constants: them. The shortest list wins. */
  constants(): ReadonlyMap<ColumnKey, readonly KeySource[]> {
    const known = new Map<ColumnKey, readonly KeySource[]>()
    const queue = [...this.#constants].sort(([, left], [, right]) => left.length - right.length)
    for (const [key, values] of queue)
      this.#spread(key, (reached) => {
        if (known.has(reached)) return false
        known.set(reached, values)
        return true
      })
    return known
  }

  /** All columns whose values follow from those of `seeds`. */
  reachable(seeds: readonly ColumnKey[]): ReadonlySet<ColumnKey> {
    const known = new Set<ColumnKey>()
    for (const seed of seeds)
      this.#spread(seed, (reached) => {
        if (known.has(reached)) return false
        known.add(reached)
        return true
      })
    return known
  }

  /** All columns from whose values those of `target` follow. */
  reaching(target: ColumnKey): ReadonlySet<ColumnKey> {
    return new Set([...this.#edges.keys()].filter((source) => this.reachable([source]).has(target)))
  }

  isLinked(key: ColumnKey): boolean {
    return (
      this.#edges.has(key) || [...this.#edges.values()].some((targets) => targets.includes(key))
    )
  }

  addEdge(source: ColumnKey, target: ColumnKey): void {
    const targets = this.#edges.get(source)
    if (targets === undefined) this.#edges.set(source, [target])
    else targets.push(target)
  }

  addConstants(key: ColumnKey, values: readonly KeySource[]): void {
    const old = this.#constants.get(key)
    if (old === undefined || old.length > values.length) this.#constants.set(key, values)
  }

  #spread(start: ColumnKey, reach: (key: ColumnKey) => boolean): void {
    const queue = reach(start) ? [start] : []
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
      for (const target of this.#edges.get(key) ?? []) if (reach(target)) queue.push(target)
    }
  }

  #addTypes(block: Block): void {
    for (const relation of block.relations) {
      relation.columns?.forEach((name, index) => {
        const column = relation.table?.columns[index]
        if (column !== undefined) this.#types.set(columnKey(relation, name), column)
      })
    }
  }

  /** The column that an expression is, when it is nothing but one. */
  keyOf(block: Block, expression: Tree | undefined): ColumnKey | undefined {
    const reference = expression?.ColumnRef
    return reference === undefined ? undefined : resolveColumn(block, reference)?.visible.key
  }

  #linkBlock(relation: Relation): void {
    const { block } = relation
    if (block === undefined || relation.columns === undefined || block.isRecursive) return
    const isShared = (this.#builder.cteUses.get(block) ?? 1) > 1
    relation.columns.forEach((name, index) => {
      this.#linkOutput(block, index, columnKey(relation, name), isShared)
    })
  }

  #linkOutput(block: Block, index: number, outer: ColumnKey, isShared: boolean): void {
    if (block.kind === 'set-operation') {
      this.#setUnionType(block, index, outer)
      if (isShared || !canFilterInside(block)) return
      for (const arm of block.arms) this.#linkArm(arm, index, outer)
      return
    }
    const expression = block.outputs?.[index]?.expression
    this.#linkInner(block, this.keyOf(block, expression), outer, isShared)
    // a row's ctid stands for its distribution column, too
    const row = namedRow(block, expression)
    this.#linkInner(block, row?.key, rowKey(outer), isShared)
  }

  #linkInner(
    block: Block,
    inner: ColumnKey | undefined,
    outer: ColumnKey,
    isShared: boolean,
  ): void {
    if (inner === undefined) return
    this.addEdge(inner, outer)
    const type = this.#types.get(inner)
    if (type !== undefined) this.#types.set(outer, type)
    if (!isShared && this.#isTransparent(block, inner)) this.addEdge(outer, inner)
  }

  /** A set operation's column has the arms' type where all arms agree. */
  #setUnionType(block: Block, index: number, outer: ColumnKey): void {
    const arms = allBlocks(block).filter(
      ({ kind, id }) => kind !== 'set-operation' && id !== block.id,
    )
    const own = arms.filter((arm) => isArmOf(block, arm))
    const types = own.map((arm) =>
      this.columnType(this.keyOf(arm, arm.outputs?.[index]?.expression)),
    )
    const [first] = types
    const isSame = types.every((type) => type?.typeOid === first?.typeOid)
    if (first !== undefined && isSame) this.#types.set(outer, first)
  }

  #linkArm(arm: Block, index: number, outer: ColumnKey): void {
    if (arm.kind === 'set-operation') {
      if (canFilterInside(arm)) for (const inner of arm.arms) this.#linkArm(inner, index, outer)
      return
    }
    const inner = this.keyOf(arm, arm.outputs?.[index]?.expression)
    if (inner !== undefined && this.#isTransparent(arm, inner)) this.addEdge(outer, inner)
  }

  /** A filter on the output may be applied to the column inside, before the block computes. */
  #isTransparent(block: Block, inner: ColumnKey): boolean {
    const select = block.select
    if (block.kind !== 'select' || select === undefined || !canFilterInside(block)) return false
    const isKey = (tree: Tree) => this.keyOf(block, tree) === inner
    const grouped = groupKeys(select, block.outputs)
    const isAggregated = select.groupClause !== undefined
    if (isAggregated && (grouped === undefined || !grouped.some(isKey))) return false
    if (select.distinctClause?.some((item) => Object.keys(item).length > 0) === true) {
      const items = select.distinctClause.map((item) => outputOrInput(block, item))
      if (!items.some(isKey)) return false
    }
    return windowsOf(select).every((window) => window?.some(isKey) === true)
  }

  #addConditions(block: Block): void {
    const from = block.select?.fromClause ?? block.modify?.from ?? []
    const where = block.select?.whereClause ?? block.modify?.statement.whereClause
    const all = new Set(block.relations.map(({ id }) => id))
    for (const item of from) this.#addJoins(block, item)
    this.#addMergeCondition(block, all)
    for (const condition of conjuncts(where)) this.#addCondition(block, condition, all)
  }

  /** ON of MERGE says nothing about source rows that are to be inserted where they match none. */
  #addMergeCondition(block: Block, all: ReadonlySet<number>): void {
    if (block.kind !== 'merge') return
    const merge = block.modify?.statement as MergeStmt | undefined
    const isInner = (merge?.mergeWhenClauses ?? []).every(
      ({ MergeWhenClause }) =>
        (MergeWhenClause?.matchKind ?? 'MERGE_WHEN_MATCHED') === 'MERGE_WHEN_MATCHED',
    )
    const target = new Set(block.relations.slice(0, 1).map(({ id }) => id))
    for (const condition of conjuncts(merge?.joinCondition)) {
      this.#addCondition(block, condition, isInner ? all : target)
    }
  }

  #addJoins(block: Block, item: Tree): void {
    const join = item.JoinExpr
    if (join === undefined) return
    for (const side of [join.larg, join.rarg]) if (side !== undefined) this.#addJoins(block, side)
    const sides = this.#builder.joinSides.get(join)
    if (sides === undefined) return
    const left = sides.left.relations.map(({ id }) => id)
    const right = sides.right.relations.map(({ id }) => id)
    const targets = new Set(filteredSides(join, left, right))
    for (const condition of conjuncts(join.quals)) this.#addCondition(block, condition, targets)
    for (const name of usingColumns(join, sides.left, sides.right) ?? []) {
      const one = sides.left.visible.find((column) => column.name === name)?.key
      const other = sides.right.visible.find((column) => column.name === name)?.key
      this.#addEquality(one, other, targets)
    }
  }

  #addEquality(
    left: ColumnKey | undefined,
    right: ColumnKey | undefined,
    targets: ReadonlySet<number>,
  ): void {
    if (left === undefined || right === undefined) return
    const leftType = this.#types.get(left)
    const rightType = this.#types.get(right)
    if (!areComparable(leftType, rightType)) return
    if (targets.has(relationOf(left))) this.addEdge(right, left)
    if (targets.has(relationOf(right))) this.addEdge(left, right)
  }

  /** One row has one distribution value. */
  #addSameRows(
    left: NamedRow | undefined,
    right: NamedRow | undefined,
    targets: ReadonlySet<number>,
  ): void {
    if (left?.table.oid === right?.table.oid) this.#addEquality(left?.key, right?.key, targets)
  }

  #addCondition(block: Block, condition: Tree, targets: ReadonlySet<number>): void {
    const expression = condition.A_Expr
    if (condition.BoolExpr?.boolop === 'OR_EXPR') {
      this.#addAlternatives(block, condition.BoolExpr.args ?? [], targets)
      return
    }
    if (expression === undefined || !isEquality(expression)) return
    const { lexpr, rexpr } = expression
    if (expression.kind === 'AEXPR_OP' && lexpr?.RowExpr !== undefined) {
      const others = rexpr?.RowExpr?.args ?? []
      lexpr.RowExpr.args?.forEach((item, index) => {
        this.#addPair(block, item, others[index], targets)
      })
      return
    }
    if (expression.kind === 'AEXPR_OP') this.#addPair(block, lexpr, rexpr, targets)
    for (const [key, values] of this.#constantsOf(block, condition)) {
      if (targets.has(relationOf(key))) this.addConstants(key, values)
    }
  }

  #addPair(
    block: Block,
    left: Tree | undefined,
    right: Tree | undefined,
    targets: ReadonlySet<number>,
  ): void {
    this.#addEquality(this.keyOf(block, left), this.keyOf(block, right), targets)
    this.#addSameRows(namedRow(block, left), namedRow(block, right), targets)
    this.#addMerged(block, left, right, targets)
    this.#addMerged(block, right, left, targets)
    if (left === undefined || right === undefined) return
    const condition = { A_Expr: { kind: 'AEXPR_OP', name: EQUALS, lexpr: left, rexpr: right } }
    for (const [key, values] of this.#constantsOf(block, condition)) {
      if (targets.has(relationOf(key))) this.addConstants(key, values)
    }
  }

  /** A column merged by FULL JOIN … USING that equals a constant: both sides do, or are null. */
  #addMerged(
    block: Block,
    column: Tree | undefined,
    value: Tree | undefined,
    targets: ReadonlySet<number>,
  ): void {
    const reference = column?.ColumnRef
    const merged =
      reference === undefined ? [] : (resolveColumn(block, reference)?.visible.merged ?? [])
    for (const key of merged) {
      const type = this.#types.get(key)
      const source = type === undefined ? undefined : keySource(this.#input, value, type)
      if (source !== undefined && targets.has(relationOf(key))) this.addConstants(key, [source])
    }
  }

  #addAlternatives(block: Block, arms: readonly Tree[], targets: ReadonlySet<number>): void {
    const [first, ...others] = arms.map(
      (arm) => new Map(conjuncts(arm).flatMap((item) => [...this.#constantsOf(block, item)])),
    )
    for (const [key, values] of first ?? []) {
      const all = others.map((arm) => arm.get(key))
      if (!targets.has(relationOf(key)) || all.some((list) => list === undefined)) continue
      this.addConstants(key, [...values, ...all.flatMap((list) => list ?? [])])
    }
  }

  /** `column = constant`, `constant = column`, `column IN (…)`, `column = ANY (ARRAY[…])`. */
  #constantsOf(block: Block, condition: Tree): ReadonlyMap<ColumnKey, readonly KeySource[]> {
    const expression = condition.A_Expr
    if (expression === undefined || !isEquality(expression)) return new Map()
    const pairs: [Tree | undefined, readonly (Tree | undefined)[]][] = []
    const { lexpr, rexpr } = expression
    if (expression.kind === 'AEXPR_OP') pairs.push([lexpr, [rexpr]], [rexpr, [lexpr]])
    if (expression.kind === 'AEXPR_IN') pairs.push([lexpr, rexpr?.List?.items ?? []])
    if (expression.kind === 'AEXPR_OP_ANY') pairs.push([lexpr, rexpr?.A_ArrayExpr?.elements ?? []])
    for (const [column, items] of pairs) {
      const key = this.keyOf(block, column)
      const type = key === undefined ? undefined : this.#types.get(key)
      if (key === undefined || type === undefined || items.length === 0) continue
      const values = items.map((item) => keySource(this.#input, item, type))
      if (values.every((value) => value !== undefined)) return new Map([[key, values]])
    }
    return new Map()
  }

  /**
   * `x IN (SELECT y …)`: only rows with y = x matter inside. But a null on either side makes the answer depend on there
   * being other rows, and only a condition that must hold does not tell null from false.
   */
  #linkCompared(block: Block, child: Child): void {
    const isFilter = mustHold(block, child)
    child.compared.forEach((tree, index) => {
      const shown = child.block.outputs?.[index]?.expression
      this.#linkRows(namedRow(block, tree), namedRow(child.block, shown), child, isFilter)
      if (!isFilter && !(isKeptColumn(block, tree) && isKeptColumn(child.block, shown))) return
      const outer = this.keyOf(block, tree)
      const outerType = this.columnType(outer)
      const inner = this.keyOf(child.block, shown)
      const innerType = this.columnType(inner)
      if (outer === undefined || inner === undefined) return
      if (!areComparable(outerType, innerType)) return
      if (!this.#isTransparent(child.block, inner)) return
      this.addEdge(outer, inner)
    })
  }

  #linkRows(
    outer: NamedRow | undefined,
    inner: NamedRow | undefined,
    { block }: Child,
    isFilter: boolean,
  ): void {
    if (outer?.key === undefined || inner?.key === undefined) return
    if (outer.table.oid !== inner.table.oid) return
    if (!isFilter && !(outer.isKept && inner.isKept)) return
    if (this.#isTransparent(block, inner.key)) this.addEdge(outer.key, inner.key)
  }
}

const EQUALS: readonly Tree[] = [{ String: { sval: '=' } }]

/** The sublink is a condition of WHERE by itself. */
export function mustHold(block: Block, { link }: Child): boolean {
  const where = block.select?.whereClause ?? block.modify?.statement.whereClause
  return conjuncts(where).some(({ SubLink }) => SubLink !== undefined && SubLink === link)
}

function isEquality(expression: OperatorExpr): boolean {
  const name = strings(expression.name)
  return name.at(-1) === '=' && (name.length === 1 || name[0] === 'pg_catalog')
}

/** The relations whose rows the ON condition may leave out. */
function filteredSides(join: JoinExpr, left: readonly number[], right: readonly number[]) {
  switch (join.jointype) {
    case 'JOIN_LEFT':
      return right
    case 'JOIN_RIGHT':
      return left
    case 'JOIN_FULL':
      return []
    default:
      return [...left, ...right]
  }
}

function isArmOf(block: Block, candidate: Block): boolean {
  return block.arms.some((arm) => arm === candidate || isArmOf(arm, candidate))
}

function canFilterInside(block: Block): boolean {
  const select = block.select
  return (
    select !== undefined &&
    select.limitCount === undefined &&
    select.limitOffset === undefined &&
    select.lockingClause === undefined &&
    !block.isRecursive
  )
}
