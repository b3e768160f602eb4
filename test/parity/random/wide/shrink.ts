import { deparseSync } from 'pgsql-deparser'
import type { ParserHost } from '../../../../lib/sql/parser-host.ts'

type Json = Readonly<Record<string, unknown>>

/** A statement of which something was taken away. */
export type Smaller = {
  readonly sql: string
  /** The output that is gone, from 0; undefined: all are there, or nobody can say which. */
  readonly lostOutput: number | undefined
}

/** What may go altogether. */
const OPTIONAL: ReadonlySet<string> = new Set(
  (
    'whereClause havingClause sortClause limitCount limitOffset distinctClause groupClause withClause windowClause ' +
    'lockingClause agg_filter agg_order agg_distinct usingClause'
  ).split(' '),
)
/** Lists of which one item may go, if others are left. */
const LISTS: ReadonlySet<string> = new Set(
  'targetList fromClause sortClause groupClause args ctes valuesLists windowClause content'.split(
    ' ',
  ),
)
/** What may stand in the place of the whole. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  JoinExpr: ['larg', 'rarg'],
  BoolExpr: ['args'],
  A_Expr: ['lexpr', 'rexpr'],
  FuncCall: ['args'],
  CoalesceExpr: ['args'],
  CaseExpr: ['defresult'],
  TypeCast: ['arg'],
  NullTest: ['arg'],
}
/** Which rows are cut off would be open. */
const FIXED_BY_LIMIT: ReadonlySet<string> = new Set(['sortClause', 'targetList'])

/**
 * Takes clauses, list items and operands away, one after the other, as long as what is left is `failing`. Candidates that
 * mean nothing are for `failing` to say no to. At most `tries` of them are tried.
 */
export async function shrink(
  host: ParserHost,
  sql: string,
  failing: (smaller: Smaller) => Promise<boolean>,
  tries = 400,
): Promise<string> {
  let smallest = sql
  let left = tries
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const smaller of smallerStatements(host, smallest)) {
      if (left-- <= 0) return smallest
      if (!(await failing(smaller))) continue
      smallest = smaller.sql
      isSmaller = true
      break
    }
  }
  return smallest
}

function* smallerStatements(host: ParserHost, sql: string): Generator<Smaller> {
  const statement = host.parse(Buffer.from(sql)).stmts[0]?.stmt
  if (statement === undefined) return
  const seen = new Set([sql])
  for (const { tree, lostOutput } of without(statement as Json, true)) {
    const text = printed(tree)
    if (text === undefined || text.length >= sql.length || seen.has(text)) continue
    seen.add(text)
    yield { sql: text, lostOutput }
  }
}

/** Not verified: whatever it says, both sides are asked the same. */
function printed(tree: Json): string | undefined {
  try {
    return deparseSync([tree] as unknown as Parameters<typeof deparseSync>[0], { pretty: false })
  } catch {
    return undefined
  }
}

type Without = { readonly tree: Json; readonly lostOutput?: number | undefined }

/** Large parts first. `isTop`: its targets are the answer's columns. */
function* without(tree: Json, isTop: boolean): Generator<Without> {
  for (const [kind, value] of Object.entries(tree)) {
    if (isObject(value)) {
      yield* parts(kind, value)
      yield* dropped(tree, kind, value, isTop)
    }
    for (const { item, put } of children(value)) {
      for (const { tree: smaller } of without(item, false))
        yield { tree: { ...tree, [kind]: put(smaller) } }
    }
  }
}

/** Parts of a node instead of the node, as `{ kind: node }`. */
function* parts(kind: string, node: Json): Generator<Without> {
  if (kind === 'SelectStmt' && node['op'] !== 'SETOP_NONE') {
    for (const side of ['larg', 'rarg']) yield { tree: { SelectStmt: node[side] } }
  }
  for (const field of PARTS[kind] ?? []) {
    const value = node[field]
    for (const part of Array.isArray(value) ? value : [value])
      if (isObject(part)) yield { tree: part }
  }
}

/** The node without one of its clauses, or of their items. */
function* dropped(tree: Json, kind: string, node: Json, isTop: boolean): Generator<Without> {
  const isCut = ['limitCount', 'limitOffset', 'distinctClause'].some((field) => field in node)
  for (const [field, value] of Object.entries(node)) {
    if (isCut && FIXED_BY_LIMIT.has(field)) continue
    if (OPTIONAL.has(field)) yield { tree: { ...tree, [kind]: withoutClause(node, field) } }
    if (!LISTS.has(field) || !Array.isArray(value) || value.length < 2) continue
    for (const index of value.keys()) {
      const fewer = { ...node, [field]: value.filter((_, at) => at !== index) }
      const lostOutput = isTop && field === 'targetList' ? index : undefined
      yield { tree: { ...tree, [kind]: fewer }, lostOutput }
    }
  }
}

function withoutClause(node: Json, field: string): Json {
  const { [field]: _gone, ...rest } = node
  const isUncut = field === 'limitCount' && !('limitOffset' in node)
  return isUncut ? { ...rest, limitOption: 'LIMIT_OPTION_DEFAULT' } : rest
}

type Child = { readonly item: Json; readonly put: (smaller: Json) => unknown }

function* children(value: unknown): Generator<Child> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      if (isObject(item)) yield { item, put: (smaller) => value.with(index, smaller) }
    }
  } else if (isObject(value)) yield { item: value, put: (smaller) => smaller }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
