import type { ParseTree } from './ast.ts'

type Json = Readonly<Record<string, unknown>>

const KIND = 'JsonArrayQueryConstructor'

/**
 * The trees of a text from their JSON, with each `JSON_ARRAY(SELECT …)` as Postgres itself reads it:
 * `(SELECT JSON_ARRAYAGG(a) FROM (SELECT …) AS q (a))`. So whoever walks trees finds its subquery and its aggregate where those
 * of others are.
 */
export function readTrees(json: string): ParseTree {
  const parsed: unknown = JSON.parse(json)
  const trees = json.includes(`"${KIND}"`) ? opened(parsed) : parsed
  return { stmts: (trees as { readonly stmts?: ParseTree['stmts'] }).stmts ?? [] }
}

function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened)
  if (typeof value !== 'object' || value === null) return value
  const { [KIND]: found } = value as Readonly<Record<string, Json | undefined>>
  if (found !== undefined) return sublink(found)
  const fields = Object.entries(value)
  return Object.fromEntries(fields.map(([field, child]) => [field, opened(child)]))
}

function sublink({ query, output, format, absent_on_null, location }: Json): Json {
  const fields = [{ String: { sval: 'q' } }, { String: { sval: 'a' } }]
  const arrayAgg = {
    constructor: { ...(output === undefined ? {} : { output }), location },
    arg: { raw_expr: { ColumnRef: { fields, location } }, format },
    ...(absent_on_null === undefined ? {} : { absent_on_null }),
  }
  const range = {
    subquery: opened(query),
    alias: { aliasname: 'q', colnames: [{ String: { sval: 'a' } }] },
  }
  const select = {
    // the name that the whole would have as an output column
    targetList: [{ ResTarget: { name: 'json_array', val: { JsonArrayAgg: arrayAgg }, location } }],
    fromClause: [{ RangeSubselect: range }],
    limitOption: 'LIMIT_OPTION_DEFAULT',
    op: 'SETOP_NONE',
  }
  return {
    SubLink: { subLinkType: 'EXPR_SUBLINK', subselect: { SelectStmt: select }, location },
  }
}
