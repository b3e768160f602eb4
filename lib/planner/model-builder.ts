import { expandTargets } from './expand-targets.ts'
import { functionColumns } from './function-columns.ts'
import {
  type Block,
  type Child,
  columnKey,
  type Relation,
  type VisibleColumn,
} from './query-model.ts'
import { type NameContext, resolveRangeVar } from './table-references.ts'
import {
  type InsertStmt,
  isRecord,
  isRepetition,
  type JoinExpr,
  type RangeFunction,
  type RangeVar,
  type SelectStmt,
  type SubLink,
  strings,
  type Tree,
  type UpdateStmt,
  type WithClause,
} from './tree.ts'

/** A CTE in scope. `uses` counts the references to it, so that filters may go into one used once. */
type Cte = { readonly block: Block; readonly columns: readonly string[] | undefined }
type Ctes = ReadonlyMap<string, Cte>

type FromPart = {
  readonly visible: readonly VisibleColumn[]
  readonly isKnown: boolean
  readonly relations: readonly Relation[]
}

/** Builds the blocks of one statement; use once. */
export class ModelBuilder {
  readonly #context: NameContext
  #nextId = 1
  /** How many relations read each CTE's block. */
  readonly cteUses = new Map<Block, number>()
  /** The statement of each INSERT's block. */
  readonly inserts = new Map<Block, InsertStmt>()
  /** Of each JOIN: the relations on its two sides. */
  readonly joinSides = new Map<JoinExpr, { readonly left: FromPart; readonly right: FromPart }>()

  constructor(context: NameContext) {
    this.#context = context
  }

  build(statement: Tree): Block {
    return this.#statement(statement, undefined, new Map())
  }

  #statement(tree: Tree, parent: Block | undefined, ctes: Ctes): Block {
    if (tree.SelectStmt !== undefined) return this.#select(tree.SelectStmt, parent, ctes)
    if (tree.InsertStmt !== undefined) return this.#insert(tree.InsertStmt, parent, ctes)
    if (tree.UpdateStmt !== undefined) {
      return this.#modify('update', tree.UpdateStmt, tree.UpdateStmt.fromClause, parent, ctes)
    }
    if (tree.DeleteStmt !== undefined) {
      return this.#modify('delete', tree.DeleteStmt, tree.DeleteStmt.usingClause, parent, ctes)
    }
    const merge = tree.MergeStmt
    const source = merge?.sourceRelation
    return this.#modify('merge', merge ?? {}, source === undefined ? [] : [source], parent, ctes)
  }

  #block(kind: Block['kind'], parent: Block | undefined, select?: SelectStmt): Block {
    this.#nextId += 1
    return {
      id: this.#nextId,
      kind,
      parent,
      select,
      modify: undefined,
      relations: [],
      knowsColumns: true,
      visible: [],
      outputs: undefined,
      children: [],
      arms: [],
      isRecursive: false,
    }
  }

  #with(withClause: WithClause | undefined, block: Block, outer: Ctes): Ctes {
    if (withClause === undefined) return outer
    const visible = new Map(outer)
    for (const item of withClause.ctes ?? []) {
      const cte = item.CommonTableExpr ?? {}
      const name = cte.ctename ?? ''
      const renamed = strings(cte.aliascolnames)
      const placeholder = this.#block('select', block.parent)
      placeholder.isRecursive = true
      const inner = new Map(visible)
      if (withClause.recursive === true) inner.set(name, { block: placeholder, columns: undefined })
      const query = this.#statement(cte.ctequery ?? {}, block.parent, inner)
      query.isRecursive = (this.cteUses.get(placeholder) ?? 0) > 0
      block.children.push(child(query, 'cte'))
      visible.set(name, { block: query, columns: renameColumns(outputNames(query), renamed) })
    }
    return visible
  }

  #select(select: SelectStmt, parent: Block | undefined, outer: Ctes): Block {
    const isSetOperation = select.op !== undefined && select.op !== 'SETOP_NONE'
    if (select.valuesLists !== undefined) return this.#values(select, parent, outer)
    const block = this.#block(isSetOperation ? 'set-operation' : 'select', parent, select)
    const ctes = this.#with(select.withClause, block, outer)
    if (isSetOperation) {
      for (const arm of [select.larg, select.rarg]) {
        if (arm !== undefined) block.arms.push(this.#select(arm, parent, ctes))
      }
      const names = block.arms[0]?.outputs
      block.outputs = names?.map(({ name }) => ({ name, expression: undefined }))
      this.#expressions(block, [select.sortClause, select.limitCount, select.limitOffset], ctes)
      return block
    }
    this.#from(block, select.fromClause, ctes)
    const { targetList, whereClause, groupClause, havingClause, windowClause } = select
    const { sortClause, limitCount, limitOffset, distinctClause } = select
    this.#expressions(block, [targetList, whereClause, groupClause, havingClause], ctes)
    this.#expressions(block, [windowClause, sortClause, limitCount, limitOffset], ctes)
    this.#expressions(block, [distinctClause], ctes)
    block.outputs = expandTargets(block, targetList)
    return block
  }

  #values(select: SelectStmt, parent: Block | undefined, outer: Ctes): Block {
    const block = this.#block('values', parent, select)
    const ctes = this.#with(select.withClause, block, outer)
    this.#expressions(block, [select.valuesLists, select.sortClause, select.limitCount], ctes)
    const width = select.valuesLists?.[0]?.List?.items?.length ?? 0
    block.outputs = Array.from({ length: width }, (_, index) => ({
      name: `column${index + 1}`,
      expression: undefined,
    }))
    return block
  }

  #insert(insert: InsertStmt, parent: Block | undefined, outer: Ctes): Block {
    const block = this.#block('insert', parent)
    this.inserts.set(block, insert)
    const ctes = this.#with(insert.withClause, block, outer)
    if (insert.selectStmt !== undefined) {
      block.children.push(child(this.#statement(insert.selectStmt, parent, ctes), 'from'))
    }
    const target = this.#table(insert.relation ?? {}, { RangeVar: insert.relation ?? {} })
    const excluded = { ...target, id: this.#id(), alias: 'excluded', table: undefined }
    block.relations.push(target, { ...excluded, kind: 'values', hasExplicitAlias: true })
    this.#show(block, visibleColumns(target))
    const returning = insert.returningClause?.exprs ?? insert.returningList
    this.#expressions(block, [insert.onConflictClause, returning], ctes)
    block.outputs = expandTargets(block, returning)
    return block
  }

  #modify(
    kind: 'update' | 'delete' | 'merge',
    statement: UpdateStmt,
    from: readonly Tree[] | undefined,
    parent: Block | undefined,
    outer: Ctes,
  ): Block {
    const block = this.#block(kind, parent)
    block.modify = { statement, from: from ?? [] }
    const ctes = this.#with(statement.withClause, block, outer)
    const target = this.#table(statement.relation ?? {}, { RangeVar: statement.relation ?? {} })
    block.relations.push(target)
    const others = this.#fromItems(block, from, ctes)
    this.#show(block, {
      ...others,
      visible: [...visibleColumns(target).visible, ...others.visible],
    })
    const { withClause: _with, relation: _relation, fromClause: _from, ...rest } = statement
    const {
      usingClause: _using,
      sourceRelation: _source,
      ...expressions
    } = rest as Readonly<Record<string, unknown>>
    this.#expressions(block, Object.values(expressions), ctes)
    block.outputs = expandTargets(
      block,
      statement.returningClause?.exprs ?? statement.returningList,
    )
    return block
  }

  #id(): number {
    this.#nextId += 1
    return this.#nextId
  }

  #show(block: Block, part: { visible: readonly VisibleColumn[]; isKnown: boolean }): void {
    block.visible = part.visible
    block.knowsColumns = part.isKnown
  }

  #from(block: Block, items: readonly Tree[] | undefined, ctes: Ctes): void {
    this.#show(block, this.#fromItems(block, items, ctes))
  }

  #fromItems(block: Block, items: readonly Tree[] | undefined, ctes: Ctes): FromPart {
    const parts: FromPart[] = []
    const before = { visible: block.visible, isKnown: block.knowsColumns }
    for (const item of items ?? []) {
      parts.push(this.#fromItem(block, item, ctes))
      // LATERAL items see what stands before them
      const soFar = joinParts(parts)
      this.#show(block, {
        visible: [...before.visible, ...soFar.visible],
        isKnown: before.isKnown && soFar.isKnown,
      })
    }
    return joinParts(parts)
  }

  #fromItem(block: Block, item: Tree, ctes: Ctes): FromPart {
    if (item.JoinExpr !== undefined) return this.#join(block, item.JoinExpr, ctes)
    const relation = this.#relation(block, item, ctes)
    block.relations.push(relation)
    return visibleColumns(relation)
  }

  #relation(block: Block, item: Tree, ctes: Ctes): Relation {
    if (item.RangeVar !== undefined) return this.#rangeVar(item.RangeVar, item, ctes)
    if (item.RangeSubselect !== undefined) return this.#subselect(block, item, ctes)
    if (item.RangeFunction !== undefined)
      return this.#function(block, item.RangeFunction, item, ctes)
    const sampled = item.RangeTableSample?.relation?.RangeVar
    this.#expressions(block, [item], ctes)
    if (sampled !== undefined) return this.#table(sampled, item)
    return this.#unknown(item, undefined)
  }

  #unknown(node: Tree, alias: string | undefined): Relation {
    return {
      id: this.#id(),
      alias,
      kind: 'unknown',
      table: undefined,
      columns: undefined,
      block: undefined,
      isLateral: true,
      hasExplicitAlias: true,
      node,
    }
  }

  #rangeVar(node: RangeVar, item: Tree, ctes: Ctes): Relation {
    const cte = node.schemaname === undefined ? ctes.get(node.relname ?? '') : undefined
    if (cte === undefined) return this.#table(node, item)
    this.cteUses.set(cte.block, (this.cteUses.get(cte.block) ?? 0) + 1)
    return {
      ...this.#unknown(item, node.alias?.aliasname ?? node.relname),
      kind: 'cte',
      block: cte.block,
      columns: renameColumns(cte.columns, strings(node.alias?.colnames)),
      isLateral: false,
    }
  }

  #table(node: RangeVar, item: Tree): Relation {
    const table = resolveRangeVar(this.#context, node)
    const names = table?.columns.map(({ name }) => name)
    return {
      id: this.#id(),
      alias: node.alias?.aliasname ?? node.relname,
      kind: table === undefined ? 'local' : 'table',
      table,
      columns: renameColumns(names, strings(node.alias?.colnames)),
      block: undefined,
      isLateral: false,
      hasExplicitAlias: node.alias !== undefined,
      node: item,
    }
  }

  #subselect(block: Block, item: Tree, ctes: Ctes): Relation {
    const { subquery, alias, lateral } = item.RangeSubselect ?? {}
    const inner = this.#statement(subquery ?? {}, lateral === true ? block : block.parent, ctes)
    block.children.push(child(inner, 'from'))
    return {
      ...this.#unknown(item, alias?.aliasname),
      kind: inner.kind === 'values' ? 'values' : 'subquery',
      block: inner,
      columns: renameColumns(outputNames(inner), strings(alias?.colnames)),
      isLateral: lateral === true,
    }
  }

  #function(block: Block, range: RangeFunction, item: Tree, ctes: Ctes): Relation {
    this.#expressions(block, [range.functions], ctes)
    const call = range.functions?.[0]?.List?.items?.[0]
    const name = range.alias?.aliasname ?? strings(call?.FuncCall?.funcname).at(-1)
    const known = functionColumns(range, name)
    const ordinality = range.ordinality === true ? ['ordinality'] : []
    return {
      ...this.#unknown(item, name),
      kind: 'function',
      columns: renameColumns(
        known === undefined ? undefined : [...known, ...ordinality],
        strings(range.alias?.colnames),
      ),
    }
  }

  #join(block: Block, join: JoinExpr, ctes: Ctes): FromPart {
    const first = block.relations.length
    const left = this.#fromItem(block, join.larg ?? {}, ctes)
    const before = { visible: block.visible, isKnown: block.knowsColumns }
    this.#show(block, {
      visible: [...before.visible, ...left.visible],
      isKnown: before.isKnown && left.isKnown,
    })
    const right = this.#fromItem(block, join.rarg ?? {}, ctes)
    this.joinSides.set(join, { left, right })
    const both = joinParts([left, right])
    this.#show(block, {
      visible: [...before.visible, ...both.visible],
      isKnown: before.isKnown && both.isKnown,
    })
    this.#expressions(block, [join.quals], ctes)
    this.#show(block, before)
    const merged = mergeColumns(join, left, right)
    this.#nameJoin(block, join, first)
    if (join.alias === undefined) return { ...both, ...merged }
    return { relations: both.relations, visible: [], isKnown: false }
  }

  /** An alias of the whole join hides the names inside; what its own columns are is left unknown. */
  #nameJoin(block: Block, join: JoinExpr, first: number): void {
    const name = join.alias?.aliasname ?? join.join_using_alias?.aliasname
    if (name === undefined) return
    if (join.alias !== undefined) {
      const hidden = block.relations.splice(first)
      block.relations.push(...hidden.map((relation) => ({ ...relation, alias: undefined })))
    }
    block.relations.push(this.#unknown({}, name))
  }

  /** Builds the blocks of the sublinks in expressions of `block`. */
  #expressions(block: Block, values: readonly unknown[], ctes: Ctes): void {
    for (const value of values) this.#expression(block, value, ctes)
  }

  #expression(block: Block, value: unknown, ctes: Ctes): void {
    if (Array.isArray(value)) {
      this.#expressions(block, value, ctes)
      return
    }
    if (!isRecord(value) || isRepetition(value)) return
    const link = value['SubLink'] as SubLink | undefined
    if (link === undefined) {
      this.#expressions(block, Object.values(value), ctes)
      return
    }
    this.#expression(block, link.testexpr, ctes)
    const inner = this.#statement(link.subselect ?? {}, block, ctes)
    block.children.push({
      block: inner,
      place: 'sublink',
      compared: comparedTrees(link),
      link,
    })
  }
}

function comparedTrees(link: SubLink): readonly Tree[] {
  const operator = strings(link.operName).join('.')
  const isEquality = link.operName === undefined || operator === '='
  if (link.subLinkType !== 'ANY_SUBLINK' || !isEquality || link.testexpr === undefined) return []
  return link.testexpr.RowExpr?.args ?? [link.testexpr]
}

function child(block: Block, place: Child['place']): Child {
  return { block, place, compared: [], link: undefined }
}

function outputNames(block: Block): readonly string[] | undefined {
  return block.outputs?.map(({ name }) => name)
}

function renameColumns(
  columns: readonly string[] | undefined,
  renamed: readonly string[],
): readonly string[] | undefined {
  if (columns === undefined || renamed.length > columns.length) return undefined
  return columns.map((name, index) => renamed[index] ?? name)
}

function visibleColumns(relation: Relation): FromPart {
  return {
    visible: (relation.columns ?? []).map((name) => ({
      name,
      key: columnKey(relation, name),
      merged: [],
    })),
    isKnown: relation.columns !== undefined,
    relations: [relation],
  }
}

function joinParts(parts: readonly FromPart[]): FromPart {
  return {
    visible: parts.flatMap(({ visible }) => visible),
    isKnown: parts.every(({ isKnown }) => isKnown),
    relations: parts.flatMap(({ relations }) => relations),
  }
}

/** The names that USING or NATURAL merges; undefined: not known. */
export function usingColumns(
  join: JoinExpr,
  left: FromPart,
  right: FromPart,
): readonly string[] | undefined {
  if (join.isNatural !== true) return strings(join.usingClause)
  if (!left.isKnown || !right.isKnown) return undefined
  return left.visible
    .filter(({ name }) => right.visible.some((other) => other.name === name))
    .map(({ name }) => name)
}

function mergeColumns(join: JoinExpr, left: FromPart, right: FromPart) {
  const using = usingColumns(join, left, right)
  if (using === undefined) return { visible: [], isKnown: false }
  const merged: VisibleColumn[] = []
  for (const name of using) {
    const leftColumn = left.visible.find((column) => column.name === name)
    const rightColumn = right.visible.find((column) => column.name === name)
    if (leftColumn === undefined || rightColumn === undefined)
      return { visible: [], isKnown: false }
    if (join.jointype === 'JOIN_FULL') {
      const keys = [leftColumn, rightColumn].flatMap(({ key, merged: all }) =>
        key === undefined ? all : [key],
      )
      merged.push({ name, key: undefined, merged: keys })
    } else merged.push(join.jointype === 'JOIN_RIGHT' ? rightColumn : leftColumn)
  }
  const rest = [...left.visible, ...right.visible].filter(({ name }) => !using.includes(name))
  return { visible: [...merged, ...rest], isKnown: left.isKnown && right.isKnown }
}

export type { FromPart }
