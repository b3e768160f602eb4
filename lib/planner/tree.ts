/**
 * What the planner reads of the parse trees of libpg-query, whose JSON leaves out zero, false and empty values:
 * every field may be absent. Locations are byte offsets; an absent one is 0, a negative one unknown.
 */
export type Tree = {
  readonly SelectStmt?: SelectStmt
  readonly InsertStmt?: InsertStmt
  readonly UpdateStmt?: UpdateStmt
  readonly DeleteStmt?: DeleteStmt
  readonly MergeStmt?: MergeStmt
  readonly RangeVar?: RangeVar
  readonly RangeSubselect?: RangeSubselect
  readonly RangeFunction?: RangeFunction
  readonly RangeTableSample?: RangeTableSample
  readonly JoinExpr?: JoinExpr
  readonly ColumnRef?: ColumnRef
  readonly A_Star?: object
  readonly A_Const?: Constant
  readonly A_Expr?: OperatorExpr
  readonly A_ArrayExpr?: { readonly elements?: readonly Tree[] }
  readonly A_Indirection?: { readonly arg?: Tree; readonly indirection?: readonly Tree[] }
  readonly BoolExpr?: BoolExpr
  readonly NullTest?: { readonly arg?: Tree }
  readonly ParamRef?: { readonly number?: number; readonly location?: number }
  readonly TypeCast?: TypeCast
  readonly FuncCall?: FuncCall
  readonly JsonArrayAgg?: JsonAggregate
  readonly JsonObjectAgg?: JsonAggregate
  readonly SubLink?: SubLink
  readonly CaseExpr?: { readonly defresult?: Tree }
  readonly CollateClause?: CollateClause
  readonly RowExpr?: { readonly args?: readonly Tree[]; readonly row_format?: string }
  readonly SQLValueFunction?: SqlValueFunction
  readonly ResTarget?: ResTarget
  readonly SortBy?: SortBy
  readonly List?: { readonly items?: readonly Tree[] }
  readonly String?: { readonly sval?: string }
  readonly CommonTableExpr?: CommonTableExpr
  readonly GroupingSet?: object
  readonly WindowDef?: WindowDef
  readonly TypeName?: TypeName
  readonly SetToDefault?: object
  readonly NamedArgExpr?: {
    readonly name?: string
    readonly arg?: Tree
    readonly location?: number
  }
  readonly MinMaxExpr?: { readonly op?: string; readonly args?: readonly Tree[] }
  readonly XmlExpr?: { readonly op?: string }
  readonly DefElem?: DefElem
  readonly [kind: string]: unknown
}

export type SelectStmt = {
  readonly distinctClause?: readonly Tree[]
  readonly intoClause?: { readonly rel?: RangeVar }
  readonly targetList?: readonly Tree[]
  readonly fromClause?: readonly Tree[]
  readonly whereClause?: Tree
  readonly groupClause?: readonly Tree[]
  readonly groupDistinct?: boolean
  readonly havingClause?: Tree
  readonly windowClause?: readonly Tree[]
  readonly valuesLists?: readonly Tree[]
  readonly sortClause?: readonly Tree[]
  readonly limitOffset?: Tree
  readonly limitCount?: Tree
  readonly limitOption?: string
  readonly lockingClause?: readonly Tree[]
  readonly withClause?: WithClause
  readonly op?: string
  readonly all?: boolean
  readonly larg?: SelectStmt
  readonly rarg?: SelectStmt
}

export type WithClause = { readonly ctes?: readonly Tree[]; readonly recursive?: boolean }

export type CommonTableExpr = {
  readonly ctename?: string
  readonly aliascolnames?: readonly Tree[]
  readonly ctematerialized?: string
  readonly ctequery?: Tree
  readonly search_clause?: object
  readonly cycle_clause?: object
  readonly location?: number
}

export type InsertStmt = {
  readonly relation?: RangeVar
  readonly cols?: readonly Tree[]
  readonly selectStmt?: Tree
  readonly onConflictClause?: {
    readonly action?: string
    readonly targetList?: readonly Tree[]
    readonly whereClause?: Tree
    readonly infer?: {
      readonly conname?: string
      readonly indexElems?: readonly Tree[]
      readonly location?: number
    }
    readonly location?: number
  }
  readonly returningClause?: { readonly exprs?: readonly Tree[] }
  readonly returningList?: readonly Tree[]
  readonly withClause?: WithClause
  readonly override?: string
}

export type UpdateStmt = {
  readonly relation?: RangeVar
  readonly targetList?: readonly Tree[]
  readonly whereClause?: Tree
  readonly fromClause?: readonly Tree[]
  readonly returningClause?: { readonly exprs?: readonly Tree[] }
  readonly returningList?: readonly Tree[]
  readonly withClause?: WithClause
}

export type DeleteStmt = {
  readonly relation?: RangeVar
  readonly usingClause?: readonly Tree[]
  readonly whereClause?: Tree
  readonly returningClause?: { readonly exprs?: readonly Tree[] }
  readonly returningList?: readonly Tree[]
  readonly withClause?: WithClause
}

export type MergeStmt = {
  readonly relation?: RangeVar
  readonly sourceRelation?: Tree
  readonly joinCondition?: Tree
  readonly mergeWhenClauses?: readonly { readonly MergeWhenClause?: MergeWhenClause }[]
  readonly withClause?: WithClause
}

export type MergeWhenClause = {
  readonly matchKind?: string
  readonly commandType?: string
  readonly targetList?: readonly Tree[]
  readonly values?: readonly Tree[]
}

export type Alias = { readonly aliasname?: string; readonly colnames?: readonly Tree[] }

export type RangeVar = {
  readonly catalogname?: string
  readonly schemaname?: string
  readonly relname?: string
  readonly inh?: boolean
  readonly relpersistence?: string
  readonly alias?: Alias
  readonly location?: number
}

export type RangeSubselect = {
  readonly lateral?: boolean
  readonly subquery?: Tree
  readonly alias?: Alias
}

export type RangeFunction = {
  readonly lateral?: boolean
  readonly ordinality?: boolean
  readonly is_rowsfrom?: boolean
  readonly functions?: readonly Tree[]
  readonly alias?: Alias
  readonly coldeflist?: readonly Tree[]
}

export type RangeTableSample = {
  readonly relation?: Tree
  readonly repeatable?: Tree
  /** Of the method's name. */
  readonly location?: number
}

export type JoinExpr = {
  readonly jointype?: string
  readonly isNatural?: boolean
  readonly larg?: Tree
  readonly rarg?: Tree
  readonly usingClause?: readonly Tree[]
  readonly join_using_alias?: Alias
  readonly quals?: Tree
  readonly alias?: Alias
}

export type ColumnRef = { readonly fields?: readonly Tree[]; readonly location?: number }

export type Constant = {
  readonly ival?: { readonly ival?: number }
  readonly fval?: { readonly fval?: string }
  readonly boolval?: { readonly boolval?: boolean }
  readonly sval?: { readonly sval?: string }
  readonly bsval?: { readonly bsval?: string }
  readonly isnull?: boolean
  readonly location?: number
}

export type OperatorExpr = {
  readonly kind?: string
  readonly name?: readonly Tree[]
  readonly lexpr?: Tree
  readonly rexpr?: Tree
  readonly location?: number
}

export type BoolExpr = { readonly boolop?: string; readonly args?: readonly Tree[] }

export type TypeName = {
  readonly names?: readonly Tree[]
  readonly typmods?: readonly Tree[]
  readonly typemod?: number
  readonly arrayBounds?: readonly Tree[]
  readonly setof?: boolean
}

export type TypeCast = {
  readonly arg?: Tree
  readonly typeName?: TypeName
  readonly location?: number
}

export type FuncCall = {
  readonly funcname?: readonly Tree[]
  readonly args?: readonly Tree[]
  readonly agg_order?: readonly Tree[]
  readonly agg_filter?: Tree
  readonly over?: WindowDef
  readonly agg_within_group?: boolean
  readonly agg_star?: boolean
  readonly agg_distinct?: boolean
  readonly func_variadic?: boolean
  readonly funcformat?: string
  readonly location?: number
}

/** In quotes: every object has a constructor otherwise. */
export type JsonAggregate = {
  readonly ['constructor']?: { readonly over?: WindowDef }
  readonly arg?: object
}

export type WindowDef = {
  readonly name?: string
  readonly refname?: string
  readonly partitionClause?: readonly Tree[]
  readonly orderClause?: readonly Tree[]
}

export type SubLink = {
  readonly subLinkType?: string
  readonly testexpr?: Tree
  readonly operName?: readonly Tree[]
  readonly subselect?: Tree
  readonly location?: number
}

export type CollateClause = { readonly arg?: Tree; readonly collname?: readonly Tree[] }
export type SqlValueFunction = {
  readonly op?: string
  readonly typmod?: number
  readonly location?: number
}
export type ResTarget = {
  readonly name?: string
  readonly indirection?: readonly Tree[]
  readonly val?: Tree
  readonly location?: number
}
export type SortBy = {
  readonly node?: Tree
  readonly sortby_dir?: string
  readonly sortby_nulls?: string
  readonly useOp?: readonly Tree[]
}
export type DefElem = { readonly defname?: string; readonly arg?: Tree; readonly location?: number }

/** Visits every node below `value` that has a kind, parents first. Returning false keeps it from going deeper. */
export function walkTree(
  value: unknown,
  visit: (kind: string, node: Readonly<Record<string, unknown>>) => boolean | undefined,
): void {
  if (Array.isArray(value)) {
    for (const item of value) walkTree(item, visit)
    return
  }
  if (!isRecord(value)) return
  if (isRepetition(value)) return
  for (const [key, child] of Object.entries(value)) {
    if (!isRecord(child) && !Array.isArray(child)) continue
    const goesDeeper = isRecord(child) && isKind(key) ? visit(key, child) !== false : true
    if (goesDeeper) walkTree(child, visit)
  }
}

/** SET (a, b) = (SELECT …): the tree has the subquery once for each column, the text and the plan once. */
export function isRepetition({ MultiAssignRef }: Tree): boolean {
  return ((MultiAssignRef as { readonly colno?: number } | undefined)?.colno ?? 0) > 1
}

/** Fields that hold a node's body directly, without its kind around it. */
const BARE_FIELDS: Readonly<Record<string, string>> = {
  relation: 'RangeVar',
  rel: 'RangeVar',
  larg: 'SelectStmt',
  rarg: 'SelectStmt',
  typeName: 'TypeName',
}

function isKind(key: string): boolean {
  const first = key.charCodeAt(0)
  return first >= 65 && first <= 90
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The kind that a field without a kind of its own stands for, if any. */
export function bareKind(field: string): string | undefined {
  return BARE_FIELDS[field]
}

/**
 * A copy of `tree` in which `replace` may put another node in place of any node with a kind (top down; what it
 * returns is not visited again). Shares what did not change.
 */
export function mapTree(tree: Tree, replace: (node: Tree) => Tree | undefined): Tree {
  const replaced = replace(tree)
  if (replaced !== undefined) return replaced
  return mapFields(tree, replace) as Tree
}

function mapFields(value: unknown, replace: (node: Tree) => Tree | undefined): unknown {
  if (Array.isArray(value)) {
    let changed = false
    const items = value.map((item) => {
      const mapped = mapAny(item, replace)
      if (mapped !== item) changed = true
      return mapped
    })
    return changed ? items : value
  }
  if (!isRecord(value)) return value
  let copy: Record<string, unknown> | undefined
  for (const [key, child] of Object.entries(value)) {
    const mapped = isKind(key) ? mapFields(child, replace) : mapAny(child, replace)
    if (mapped === child) continue
    copy ??= { ...value }
    copy[key] = mapped
  }
  return copy ?? value
}

function mapAny(value: unknown, replace: (node: Tree) => Tree | undefined): unknown {
  if (isRecord(value) && isKind(Object.keys(value)[0] ?? '')) {
    const replaced = replace(value as Tree)
    if (replaced !== undefined) return replaced
  }
  return mapFields(value, replace)
}

export function strings(list: readonly Tree[] | undefined): readonly string[] {
  return (list ?? []).map((node) => node.String?.sval ?? '')
}

/** Conjuncts of a condition, with nested ANDs opened. */
export function conjuncts(condition: Tree | undefined): readonly Tree[] {
  if (condition === undefined) return []
  if (condition.BoolExpr?.boolop !== 'AND_EXPR') return [condition]
  return (condition.BoolExpr.args ?? []).flatMap(conjuncts)
}

/** The function's name when it is pg_catalog's or unqualified; undefined for any other schema. */
export function builtinName(call: FuncCall): string | undefined {
  const names = strings(call.funcname)
  if (names.length === 1) return names[0]
  return names.length === 2 && names[0] === 'pg_catalog' ? names[1] : undefined
}

/** Structural equality that ignores where the nodes stand in the text. */
export function sameTree(left: unknown, right: unknown): boolean {
  return treeKey(left) === treeKey(right)
}

/** A text that is equal for structurally equal trees. */
export function treeKey(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => (isLocation(key) ? undefined : inner)) ?? ''
}

function isLocation(key: string): boolean {
  return (
    key === 'location' || key === 'list_start' || key === 'list_end' || key.startsWith('rexpr_list')
  )
}
