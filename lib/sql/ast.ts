import type { A_Const, ColumnRef, FuncCall, Node, ParamRef, RangeVar, RawStmt } from '@pgsql/types'

/**
 * Postgres' raw parse tree as libpg-query's JSON. To know when reading it:
 * - zero values are left out: `0` is `ival: {}`, `false` is `boolval: {}`, location 0, `stmt_location` 0 and a `stmt_len`
 *   of "to the end" are absent; so use the accessors here rather than the fields;
 * - a field of one fixed type holds the bare node (`relation: { relname … }`), any other a wrapped one (`{ RangeVar: … }`);
 * - integers of more than 31 bits arrive as `fval` strings;
 * - locations are byte offsets into the text given to the parser; -1 or absence may mean "unknown" in synthetic nodes.
 */
export type ParseTree = { readonly stmts: readonly RawStmt[] }

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (
  i: infer I,
) => void
  ? I
  : never

/** Kind name -> type of the bare node, for example `Nodes['SelectStmt']`. */
export type Nodes = UnionToIntersection<Node>
export type NodeKind = keyof Nodes

// biome-ignore lint/suspicious/noConfusingVoidType: most visitors return nothing
type Visited = 'skip' | undefined | void

/** Return 'skip' to leave the node's children out. `isBare`: it stood in a field of fixed type. */
export type Visitor = {
  readonly [K in NodeKind]?: (node: Nodes[K], isBare: boolean) => Visited
}

/** Bare fields whose type follows from the field's name; RangeVars are recognised by their content. */
const KIND_OF_FIELD: Readonly<Record<string, NodeKind>> = {
  alias: 'Alias',
  argType: 'TypeName',
  authrole: 'RoleSpec',
  base: 'CreateStmt',
  bound: 'PartitionBoundSpec',
  collClause: 'CollateClause',
  cycle_clause: 'CTECycleClause',
  datatype: 'TypeName',
  funccall: 'FuncCall',
  grantor: 'RoleSpec',
  infer: 'InferClause',
  into: 'IntoClause',
  intoClause: 'IntoClause',
  join_using_alias: 'Alias',
  larg: 'SelectStmt',
  newowner: 'RoleSpec',
  newrole: 'RoleSpec',
  ofTypename: 'TypeName',
  onConflictClause: 'OnConflictClause',
  over: 'WindowDef',
  owner: 'RoleSpec',
  partbound: 'PartitionBoundSpec',
  partspec: 'PartitionSpec',
  pubtable: 'PublicationTable',
  rarg: 'SelectStmt',
  returnType: 'TypeName',
  returningClause: 'ReturningClause',
  search_clause: 'CTESearchClause',
  setstmt: 'VariableSetStmt',
  sourcetype: 'TypeName',
  stmts: 'RawStmt',
  storedtype: 'TypeName',
  tablesample: 'TableSampleClause',
  targettype: 'TypeName',
  typeName: 'TypeName',
  type_name: 'TypeName',
  withClause: 'WithClause',
}

type Pending = {
  readonly value: object
  readonly kind: NodeKind | undefined
  readonly isBare: boolean
}

/**
 * Visits every node under `root` (a wrapped node, a bare one, a list, a RawStmt or a ParseTree) in the order of the
 * fields, parents first. Iterative: depth is no danger.
 */
export function walk(root: unknown, visitor: Visitor): void {
  const stack: Pending[] = []
  push(stack, root, undefined)
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    if (item.kind !== undefined && visit(visitor, item.kind, item) === 'skip') continue
    pushChildren(stack, item.value)
  }
}

function visit<K extends NodeKind>(visitor: Visitor, kind: K, item: Pending): Visited {
  return visitor[kind]?.(item.value as Nodes[K], item.isBare)
}

function pushChildren(stack: Pending[], value: object): void {
  const start = stack.length
  if (Array.isArray(value)) for (const element of value) push(stack, element, undefined)
  else for (const [field, child] of Object.entries(value)) push(stack, child, field)
  reverseFrom(stack, start)
}

function push(stack: Pending[], value: unknown, field: string | undefined): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const kind = field === undefined ? undefined : KIND_OF_FIELD[field]
    // in order here: pushChildren turns the whole run around
    for (const element of value) pushOne(stack, element, kind)
    return
  }
  pushOne(stack, value, field === undefined ? undefined : KIND_OF_FIELD[field])
}

function pushOne(stack: Pending[], value: unknown, bareKind: NodeKind | undefined): void {
  if (typeof value !== 'object' || value === null) return
  const [wrapper, ...others] = Object.keys(value)
  if (others.length === 0 && wrapper !== undefined && isKind(wrapper)) {
    const inner = (value as Record<string, unknown>)[wrapper]
    if (typeof inner === 'object' && inner !== null) {
      stack.push({ value: inner, kind: wrapper, isBare: false })
    }
    return
  }
  const kind = 'relname' in value && 'relpersistence' in value ? 'RangeVar' : bareKind
  stack.push({ value, kind, isBare: true })
}

/** Kinds begin with a capital letter, fields never do. */
function isKind(key: string): key is NodeKind {
  const first = key.charCodeAt(0)
  return first >= 0x41 && first <= 0x5a
}

function reverseFrom(stack: Pending[], start: number): void {
  for (let low = start, high = stack.length - 1; low < high; low += 1, high -= 1) {
    const a = stack[low]
    const b = stack[high]
    if (a === undefined || b === undefined) return
    stack[low] = b
    stack[high] = a
  }
}

/** The kind of a wrapped node and its content. */
export function unwrap(node: Node): { readonly kind: NodeKind; readonly value: object } {
  const [entry] = Object.entries(node)
  if (entry === undefined) throw new TypeError('empty node')
  return { kind: entry[0] as NodeKind, value: entry[1] as object }
}

/** For example 'SelectStmt'; undefined for an empty statement. */
export function statementKind(statement: RawStmt): NodeKind | undefined {
  return statement.stmt === undefined ? undefined : unwrap(statement.stmt).kind
}

/** The node as a `kind`, or undefined when it is another. */
export function as<K extends NodeKind>(kind: K, node: Node | undefined): Nodes[K] | undefined {
  return (node as Partial<Nodes> | undefined)?.[kind] as Nodes[K] | undefined
}

export function rangeVars(root: unknown): RangeVar[] {
  const found: RangeVar[] = []
  walk(root, { RangeVar: (node) => void found.push(node) })
  return found
}

export function funcCalls(root: unknown): FuncCall[] {
  const found: FuncCall[] = []
  walk(root, { FuncCall: (node) => void found.push(node) })
  return found
}

export function columnRefs(root: unknown): ColumnRef[] {
  const found: ColumnRef[] = []
  walk(root, { ColumnRef: (node) => void found.push(node) })
  return found
}

/** The strings of a list of String nodes, as in names of functions, types and columns; `*` for A_Star. */
export function names(list: readonly Node[] | undefined): string[] {
  return (list ?? []).map((node) => as('String', node)?.sval ?? ('A_Star' in node ? '*' : ''))
}

export type FunctionName = { readonly schema: string | undefined; readonly name: string }

export function functionName(call: FuncCall): FunctionName {
  const parts = names(call.funcname)
  return { schema: parts.at(-2), name: parts.at(-1) ?? '' }
}

/** An unqualified or qualified column: the last name and those before it (`['schema', 'table']`, `['alias']`, `[]`). */
export function columnName(ref: ColumnRef): {
  readonly qualifiers: readonly string[]
  readonly name: string
} {
  const parts = names(ref.fields)
  return { qualifiers: parts.slice(0, -1), name: parts.at(-1) ?? '' }
}

/** $n */
export function parameterNumber(ref: ParamRef): number {
  return ref.number ?? 0
}

/** An absent location is 0; -1 is a synthetic node's. */
export function location(node: { readonly location?: number }): number {
  return node.location ?? 0
}

export type Constant =
  | { readonly kind: 'null' }
  /** `text` as Postgres' input functions take it; integers beyond 31 bits are of kind float, with all their digits. */
  | { readonly kind: 'integer' | 'float' | 'boolean' | 'string'; readonly text: string }
  /** B'…' or X'…', with the leading letter b or x. */
  | { readonly kind: 'bits'; readonly text: string }

/** The value of a constant; a minus sign before a number is part of it, as in the tree. */
export function constant(node: A_Const): Constant {
  if (node.ival !== undefined) return { kind: 'integer', text: String(node.ival.ival ?? 0) }
  if (node.fval !== undefined) return { kind: 'float', text: node.fval.fval ?? '' }
  if (node.boolval !== undefined) {
    return { kind: 'boolean', text: node.boolval.boolval === true ? 'true' : 'false' }
  }
  if (node.sval !== undefined) return { kind: 'string', text: node.sval.sval ?? '' }
  if (node.bsval !== undefined) return { kind: 'bits', text: node.bsval.bsval ?? '' }
  return { kind: 'null' }
}

/** Text of a constant, undefined for NULL. */
export function constantText(node: A_Const): string | undefined {
  const value = constant(node)
  return value.kind === 'null' ? undefined : value.text
}

const LOCATION_FIELDS: ReadonlySet<string> = new Set([
  'location',
  'stmt_location',
  'stmt_len',
  'name_location',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
])

/** Whether two trees are the same but for where they stand in their texts. */
export function treesEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) || Array.isArray(b)) return listsEqual(a, b)
  return hasFieldsOf(a, b) && fieldsEqual(a, b)
}

function listsEqual(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
  return a.every((element, index) => treesEqual(element, b[index]))
}

function hasFieldsOf(a: object, b: object): boolean {
  return Object.keys(b).every((field) => field in a || LOCATION_FIELDS.has(field))
}

function fieldsEqual(a: object, b: object): boolean {
  const other = b as Record<string, unknown>
  return Object.entries(a).every(
    ([field, value]) =>
      LOCATION_FIELDS.has(field) || (field in other && treesEqual(value, other[field])),
  )
}
