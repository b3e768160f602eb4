import type { SelectStmt, Tree } from './tree.ts'

/** What a SELECT may be made of, and where, so that a parameter in place of each of its literals leaves it what it is. */
type Form = {
  /** No function is among them that sees the statement's text, or draws a number. */
  readonly nodes: ReadonlySet<string>
  readonly clauses: ReadonlySet<string>
  /** Those that may hold literals, as operands. */
  readonly conditions: readonly string[]
  /** Those that hold one number each, or none. */
  readonly limits: readonly string[]
  /** By kind of expression. */
  readonly operators: ReadonlyMap<string, ReadonlySet<string>>
}

const POINT_NODES = [
  'ResTarget',
  'ColumnRef',
  'String',
  'A_Star',
  'RangeVar',
  'JoinExpr',
  'BoolExpr',
  'A_Expr',
  'A_Const',
  'NullTest',
  'SortBy',
]

const POINT_CLAUSES = [
  'targetList',
  'fromClause',
  'whereClause',
  'sortClause',
  'limitCount',
  'limitOption',
  'op',
]

const COMPARISONS = new Set(['=', '<>', '<', '<=', '>', '>=', '+', '-'])

const POINT_READ: Form = {
  nodes: new Set(POINT_NODES),
  clauses: new Set(POINT_CLAUSES),
  conditions: ['whereClause'],
  limits: ['limitCount'],
  operators: new Map([['AEXPR_OP', COMPARISONS]]),
}

const SCATTER_READ: Form = {
  nodes: new Set([...POINT_NODES, 'FuncCall', 'List', 'TypeCast', 'TypeName', 'Integer']),
  clauses: new Set([
    ...POINT_CLAUSES,
    'groupClause',
    'havingClause',
    'distinctClause',
    'limitOffset',
  ]),
  conditions: ['whereClause', 'havingClause'],
  limits: ['limitCount', 'limitOffset'],
  operators: new Map([
    ['AEXPR_OP', COMPARISONS],
    ['AEXPR_IN', new Set(['=', '<>'])],
    ['AEXPR_BETWEEN', new Set(['BETWEEN'])],
    ['AEXPR_NOT_BETWEEN', new Set(['NOT BETWEEN'])],
    ['AEXPR_LIKE', new Set(['~~', '!~~'])],
    ['AEXPR_ILIKE', new Set(['~~*', '!~~*'])],
  ]),
}

const AGGREGATES: ReadonlySet<string> = new Set([
  'count',
  'sum',
  'avg',
  'min',
  'max',
  'bool_and',
  'bool_or',
  'every',
])

/** Whose input is the same on every node; names of relations or types are not. */
const CAST_TYPES: ReadonlySet<string> = new Set([
  'bool',
  'date',
  'float8',
  'int4',
  'int8',
  'interval',
  'numeric',
  'text',
  'time',
  'timestamp',
  'timestamptz',
  'uuid',
])

const OWN_SCHEMA = /^(pg_|information_schema$)/

/**
 * Whether a parameter in place of each of the `literals` leaves the statement what it is: a SELECT of columns whose literals
 * are integers and strings, all of them in WHERE as operands of Postgres' own operators. There the server's parser looks at the
 * type alone: integer, or unknown until it knows the other operand's; so it is with LIMIT. In ORDER BY, GROUP BY or a select list a value may mean more.
 */
export function isPointRead(statement: Tree, literals: number): boolean {
  return isOfForm(POINT_READ, statement, literals)
}

/** As isPointRead, of what may run on many shards: numbers too, lists, patterns and casts, aggregates, HAVING, GROUP BY columns. */
export function isScatterRead(statement: Tree, literals: number): boolean {
  return isOfForm(SCATTER_READ, statement, literals)
}

function isOfForm(form: Form, { SelectStmt: select }: Tree, literals: number): boolean {
  if (select === undefined || literals === 0) return false
  if (select.op !== 'SETOP_NONE' || select.whereClause === undefined) return false
  const isFit = Object.entries(select).every(([clause, part]) => isClause(form, clause, part))
  return isFit && isLimitPlain(form, select) && constantsIn(select) === literals
}

function isClause(form: Form, clause: string, part: unknown): boolean {
  if (!form.clauses.has(clause)) return false
  if (form.limits.includes(clause)) return isNumber(part as Tree)
  return isMadeOf(form, part) && (form.conditions.includes(clause) || constantsIn(part) === 0)
}

/** It becomes a bigint, whatever it is. */
function isNumber({ A_Const: constant }: Tree): boolean {
  return constant !== undefined && 'ival' in constant
}

function isLimitPlain({ limits }: Form, select: SelectStmt): boolean {
  const isLimited = limits.some((clause) => clause in select)
  return !isLimited || select.limitOption === 'LIMIT_OPTION_COUNT'
}

/** Nodes are objects with one key in upper case. */
function isMadeOf(form: Form, part: unknown): boolean {
  if (Array.isArray(part)) return part.every((one) => isMadeOf(form, one))
  if (typeof part !== 'object' || part === null) return true
  return Object.entries(part).every(([key, value]) => {
    if (!/^[A-Z]/.test(key)) return isMadeOf(form, value)
    return form.nodes.has(key) && isAllowed(form, key, value) && isMadeOf(form, value)
  })
}

function isAllowed(form: Form, kind: string, node: unknown): boolean {
  const tree = { [kind]: node } as Tree
  const { A_Expr: operator, RangeVar: relation, A_Const: constant, FuncCall: call } = tree
  if (constant !== undefined) return isPlainConstant(form, constant)
  if (relation !== undefined) {
    const { schemaname = '', relname = '' } = relation
    return !OWN_SCHEMA.test(schemaname) && !OWN_SCHEMA.test(relname)
  }
  if (call !== undefined) return isAggregate(call)
  if (tree.TypeCast !== undefined) return isCastLiteral(tree.TypeCast)
  if (operator === undefined) return true
  const [name, ...schema] = [...(operator.name ?? [])].reverse()
  const names = form.operators.get(operator.kind ?? '')
  return schema.length === 0 && names?.has(name?.String?.sval ?? '') === true
}

function isPlainConstant(form: Form, constant: object): boolean {
  return 'ival' in constant || 'sval' in constant || (form === SCATTER_READ && 'fval' in constant)
}

/** Of plain columns or *. */
function isAggregate(call: NonNullable<Tree['FuncCall']>): boolean {
  const [name, ...schema] = [...(call.funcname ?? [])].reverse()
  if (schema.length > 0 || !AGGREGATES.has(name?.String?.sval ?? '')) return false
  const { over, agg_filter: filter, agg_order: order, agg_within_group: within } = call
  const isPlain = over === undefined && filter === undefined && order === undefined
  return isPlain && within !== true && constantsIn(call.args) === 0
}

/** A string that says its type, of no length. */
function isCastLiteral({ arg, typeName }: NonNullable<Tree['TypeCast']>): boolean {
  if (arg?.A_Const === undefined || !('sval' in arg.A_Const) || typeName === undefined) return false
  const { names = [], typmods, arrayBounds } = typeName
  const name = names.at(-1)?.String?.sval ?? ''
  return typmods === undefined && arrayBounds === undefined && CAST_TYPES.has(name)
}

function constantsIn(part: unknown): number {
  if (Array.isArray(part)) return part.reduce<number>((sum, one) => sum + constantsIn(one), 0)
  if (typeof part !== 'object' || part === null) return 0
  return Object.entries(part).reduce(
    (sum, [key, value]) => sum + (key === 'A_Const' ? 1 : constantsIn(value)),
    0,
  )
}
