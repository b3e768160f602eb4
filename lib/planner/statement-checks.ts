import { classifyFunction } from './builtin-functions.ts'
import { METADATA_FUNCTIONS } from './cluster-objects.ts'
import { provenClass } from './functions/proven-functions.ts'
import type { PlanInput } from './plan-input.ts'
import { allBlocks, type Block, type Relation, wholeRowRelation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { resolveRangeVar } from './table-references.ts'
import {
  builtinName,
  type ColumnRef,
  isRecord,
  strings,
  type Tree,
  type TypeName,
  walkTree,
} from './tree.ts'

const SEQUENCE_FUNCTIONS: ReadonlySet<string> = new Set(['nextval', 'setval', 'currval', 'lastval'])

/**
 * What no statement on distributed tables may use, whatever its shards: values that would be another node's, and rows of
 * the shard's own row type where the user's is meant.
 */
export function checkStatement(input: PlanInput, root: Block): void {
  const ownCursor = currentOf(input.statement)
  walkTree(input.statement, (kind, node) => {
    if (kind === 'FuncCall' && provenClass(input, node) === undefined) {
      checkFunction(builtinName(node), location(node))
    }
    if (kind === 'TypeCast') checkCast(input, node['typeName'] as TypeName | undefined)
    if (kind === 'CurrentOfExpr' && node !== ownCursor) refuse('current-of')
    if (kind === 'ColumnRef' && lastName(node) === 'tableoid') {
      refuse('system-column', 'tableoid', location(node))
    }
    return undefined
  })
  for (const block of allBlocks(root)) checkWholeRows(block)
}

type CurrentOf = Readonly<Record<string, unknown>> & { readonly cursor_name?: string }

/** The statement's own WHERE CURRENT OF. */
export function currentOf({ UpdateStmt, DeleteStmt }: Tree): CurrentOf | undefined {
  return (UpdateStmt ?? DeleteStmt)?.whereClause?.['CurrentOfExpr'] as CurrentOf | undefined
}

export function lastName(reference: ColumnRef): string | undefined {
  return reference.fields?.at(-1)?.String?.sval
}

function location(node: Readonly<Record<string, unknown>>): number {
  return Number(node['location'] ?? 0)
}

function checkFunction(name: string | undefined, offset: number): void {
  if (name === undefined) return
  if (METADATA_FUNCTIONS.has(name)) refuse('metadata-with-distributed', name, offset)
  if (SEQUENCE_FUNCTIONS.has(name)) refuse('sequence-function', name, offset)
  if (classifyFunction(name) === 'node-dependent') refuse('node-dependent-function', name, offset)
  if (/^(pg_|to_reg|has_)/.test(name) && classifyFunction(name) === 'unknown') {
    refuse('node-dependent-function', name, offset)
  }
}

/** Functions and casts in it mean something else on another node than on the coordinator. */
export function dependsOnNode(value: unknown): boolean {
  let depends = false
  walkTree(value, (kind, node) => {
    const name = kind === 'FuncCall' ? (builtinName(node) ?? '') : ''
    const isKnown = classifyFunction(name)
    if (isKnown === 'node-dependent' || METADATA_FUNCTIONS.has(name)) depends = true
    if (kind === 'TypeCast' && isObjectName(node['typeName'] as TypeName | undefined))
      depends = true
    return !depends
  })
  return depends
}

function isObjectName(type: TypeName | undefined): boolean {
  return /^reg[a-z]+$/.test(strings(type?.names).at(-1) ?? '')
}

function checkCast(input: PlanInput, type: TypeName | undefined): void {
  const names = strings(type?.names)
  const name = names.at(-1) ?? ''
  if (isObjectName(type)) refuse('regclass-constant')
  const schemaname = names.at(-2)
  const table = resolveRangeVar(input, {
    relname: name,
    ...(schemaname === undefined ? {} : { schemaname }),
  })
  if (table?.kind === 'distributed') refuse('whole-row')
}

/** Functions that take a row of any type. */
export const ROW_FUNCTIONS: ReadonlySet<string> = new Set([
  'count',
  'row_to_json',
  'to_json',
  'to_jsonb',
  'json_agg',
  'jsonb_agg',
  'num_nulls',
  'num_nonnulls',
])

export function checkWholeRows(block: Block): void {
  const [first] = wholeRows(block)
  if (first !== undefined) refuse('whole-row', undefined, first.reference.location)
}

/** A mention of a distributed table's row where a value of its own row type is meant. */
export type WholeRow = { readonly reference: ColumnRef; readonly relation: Relation }

export function wholeRows(block: Block): readonly WholeRow[] {
  const found: WholeRow[] = []
  for (const value of ownExpressions(block)) visitRows({ block, found }, value, false)
  return found
}

type RowSearch = { readonly block: Block; readonly found: WholeRow[] }

/** The expressions of the block itself; those of subqueries belong to their own blocks. */
export function ownExpressions(block: Block): readonly unknown[] {
  const select = block.select
  const direct = (block.outputs ?? []).map(({ expression }) => expression)
  if (select === undefined) return direct
  return [
    ...(select.targetList ?? []).filter(({ ResTarget }) => !isStar(ResTarget?.val)),
    select.whereClause,
    select.groupClause,
    select.havingClause,
    select.sortClause,
    select.windowClause,
    joinConditions(select.fromClause),
  ]
}

function joinConditions(items: readonly Tree[] | undefined): readonly unknown[] {
  return (items ?? []).flatMap(({ JoinExpr, RangeFunction }) => {
    if (RangeFunction !== undefined) return [RangeFunction.functions]
    if (JoinExpr === undefined) return []
    const sides = [JoinExpr.larg, JoinExpr.rarg].filter((side) => side !== undefined)
    return [JoinExpr.quals, ...joinConditions(sides)]
  })
}

export function isStar(tree: Tree | undefined): boolean {
  return tree?.ColumnRef?.fields?.at(-1)?.A_Star !== undefined
}

function visitRows(search: RowSearch, value: unknown, takesRow: boolean): void {
  if (Array.isArray(value)) {
    for (const item of value) visitRows(search, item, takesRow)
    return
  }
  if (!isRecord(value)) return
  const { ColumnRef, SubLink, RowExpr } = value as Tree
  if (SubLink !== undefined) visitRows(search, SubLink.testexpr, false)
  // a star in ROW() is its columns
  else if (RowExpr !== undefined) {
    visitRows(
      search,
      RowExpr.args?.filter((argument) => !isStar(argument)),
      false,
    )
  } else if (ColumnRef === undefined) visitFields(search, value, takesRow)
  else if (!takesRow) visitReference(search, ColumnRef)
}

/** The body of a node with a kind inherits what its kind allows; only direct arguments count. */
function visitFields(search: RowSearch, tree: Tree, takesRow: boolean): void {
  const isPlain = tree.FuncCall?.agg_distinct !== true
  const name = tree.FuncCall === undefined ? undefined : builtinName(tree.FuncCall)
  const givesRow = tree.NullTest !== undefined || tree.A_Indirection !== undefined
  const inside = givesRow || (isPlain && name !== undefined && ROW_FUNCTIONS.has(name))
  for (const [field, child] of Object.entries(tree)) {
    const isBody = /^[A-Z]/.test(field)
    visitRows(search, child, isBody ? inside : takesRow && (field === 'args' || field === 'arg'))
  }
}

function visitReference({ block, found }: RowSearch, reference: ColumnRef): void {
  const relation = wholeRowRelation(block, reference)
  if (relation !== undefined && isDistributed(relation)) found.push({ reference, relation })
  // `events.foo` may be a call of foo(events)
  const fields = reference.fields ?? []
  if (fields.length !== 2 || fields[1]?.A_Star !== undefined) return
  const owner = wholeRowRelation(block, { fields: fields.slice(0, 1) })
  const name = fields[1]?.String?.sval ?? ''
  const isColumn = owner?.columns?.includes(name) === true || SYSTEM_COLUMNS.has(name)
  if (owner !== undefined && isDistributed(owner) && !isColumn) {
    refuse('whole-row', undefined, reference.location)
  }
}

export const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'tableoid',
  'ctid',
  'xmin',
  'xmax',
  'cmin',
  'cmax',
])

function isDistributed(relation: Relation): boolean {
  return relation.table?.kind === 'distributed'
}
