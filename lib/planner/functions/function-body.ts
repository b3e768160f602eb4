import type { FunctionBody } from '../../catalog/catalog.ts'
import type { ParserHost } from '../../sql/parser-host.ts'
import { classifyFunction } from '../builtin-functions.ts'
import { type FuncCall, isRecord, strings, type Tree } from '../tree.ts'
import { assignedParts, BodyRefused, plpgsqlParts } from './plpgsql-body.ts'

/** How far the value of what a body does may depend on where and when it runs; each contains those before it. */
export const BODY_CLASSES = ['immutable', 'stable', 'timed', 'volatile'] as const
export type BodyClass = (typeof BODY_CLASSES)[number]

/** What a body without tables does, as far as its text tells. Whose functions, types and operators those are is for the catalog. */
export type BodyFacts = {
  readonly bodyClass: BodyClass
  /** Names that are Postgres' own, or may be another's. */
  readonly mentions: ReadonlySet<string>
  /** Names of functions that are not Postgres' own. */
  readonly calls: ReadonlySet<string>
  readonly types: ReadonlySet<string>
  readonly operators: ReadonlySet<string>
}

type Facts = {
  bodyClass: BodyClass
  readonly mentions: Set<string>
  readonly calls: Set<string>
  readonly types: Set<string>
  readonly operators: Set<string>
}

const OWN_TYPES: ReadonlySet<string> = new Set(
  `bool bytea char name int2 int4 int8 float4 float8 numeric money text varchar bpchar bit varbit date time timetz
  timestamp timestamptz interval json jsonb jsonpath uuid inet cidr macaddr macaddr8 xml point line lseg box path
  polygon circle tsvector tsquery int4range int8range numrange daterange tsrange tstzrange record void`.split(
    /\s+/,
  ),
)

const TIME_FUNCTIONS: ReadonlySet<string> = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
])
const RELATIVE_TIME = /^\s*(now|today|tomorrow|yesterday)\b/i
const OTHERS_SCHEMA = /^(pg_|pgloom|information_schema$)/
const STATEMENTS: ReadonlySet<string> = new Set(['SelectStmt', 'RawStmt', 'ReturnStmt'])
/** Only what reads or writes tables has these. */
const TABLE_FIELDS: ReadonlySet<string> = new Set(['relname', 'intoClause', 'lockingClause'])

/** undefined: it reads tables, or may do what can't be told. */
export function readBody(parser: ParserHost, body: FunctionBody): BodyFacts | undefined {
  const facts: Facts = {
    bodyClass: 'immutable',
    mentions: new Set(),
    calls: new Set(),
    types: new Set(),
    operators: new Set(),
  }
  try {
    for (const text of queriesOf(parser, body, facts)) {
      visit(facts, parser.parse(Buffer.from(text)).stmts)
    }
    return facts
  } catch {
    // what can't be read proves nothing
    return undefined
  }
}

function queriesOf(parser: ParserHost, body: FunctionBody, facts: Facts): readonly string[] {
  const { defaults, language, text } = body
  const given = defaults === null ? [] : [`SELECT ${defaults}`]
  if (language === 'sql') return [...given, ...sqlBody(parser, text, facts)]
  const { queries, assignments, types, speaks } = plpgsqlParts(
    parser.parsePlpgsql(Buffer.from(text)),
  )
  if (speaks) widen(facts, 'volatile')
  return [
    ...given,
    ...queries,
    ...assignments.flatMap(assignedParts),
    ...types.map((type) => `SELECT NULL::${type}`),
  ]
}

/** The text of a body, or a whole CREATE FUNCTION whose body was parsed when it was made. */
function sqlBody(parser: ParserHost, text: string, facts: Facts): readonly string[] {
  if (!text.startsWith('CREATE OR REPLACE FUNCTION ')) return [text]
  const [only] = parser.parse(Buffer.from(text)).stmts
  const created = (only?.stmt as Tree | undefined)?.['CreateFunctionStmt']
  if (!isRecord(created)) return [text]
  if (created['sql_body'] === undefined) throw new BodyRefused()
  visit(facts, created['sql_body'])
  return []
}

function widen(facts: Facts, bodyClass: BodyClass): void {
  facts.bodyClass = widest(facts.bodyClass, bodyClass)
}

export function widest(left: BodyClass, right: BodyClass): BodyClass {
  return BODY_CLASSES.indexOf(left) < BODY_CLASSES.indexOf(right) ? right : left
}

function visit(facts: Facts, value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(facts, item)
    return
  }
  if (!isRecord(value)) return
  for (const [field, child] of Object.entries(value)) {
    if (TABLE_FIELDS.has(field)) throw new BodyRefused()
    if (field.endsWith('Stmt') && !STATEMENTS.has(field)) throw new BodyRefused()
    if (isRecord(child)) VISITS[field]?.(facts, child)
    visit(facts, child)
  }
}

type Fields = Readonly<Record<string, unknown>>

const VISITS: Readonly<Record<string, (facts: Facts, node: Fields) => void>> = {
  FuncCall: visitCall,
  typeName: visitType,
  TypeName: visitType,
  A_Expr: (facts, node) => addAll(facts.operators, lastOf(node['name'])),
  SubLink: (facts, node) => addAll(facts.operators, lastOf(node['operName'])),
  SortBy: (facts, node) => addAll(facts.operators, lastOf(node['useOp'])),
  SQLValueFunction: (facts, node) => {
    widen(facts, /TIME|DATE/.test(String(node['op'] ?? '')) ? 'timed' : 'stable')
  },
  // `x.f` may be a call of f(x)
  ColumnRef: (facts, node) => addAll(facts.mentions, lastOf(node['fields'])),
  A_Indirection: (facts, node) => {
    addAll(facts.mentions, strings(node['indirection'] as readonly Tree[] | undefined))
  },
  sval: (_facts, node) => {
    if (RELATIVE_TIME.test(String(node['sval'] ?? ''))) throw new BodyRefused()
  },
}

function lastOf(list: unknown): readonly string[] {
  return strings(list as readonly Tree[] | undefined).slice(-1)
}

function addAll(names: Set<string>, added: readonly string[]): void {
  for (const name of added) names.add(name)
}

function visitCall(facts: Facts, call: FuncCall): void {
  const [schema, name] = qualified(strings(call.funcname))
  const isOwn = schema === 'pg_catalog'
  if (schema !== undefined && !isOwn && OTHERS_SCHEMA.test(schema)) throw new BodyRefused()
  const known = schema === undefined || isOwn ? classifyFunction(name) : 'unknown'
  if (!isOwn) facts.mentions.add(name)
  if (known === 'unknown') {
    if (isOwn) throw new BodyRefused()
    facts.calls.add(name)
    return
  }
  if (known === 'node-dependent') throw new BodyRefused()
  if (known === 'volatile' || known === 'stable') widen(facts, known)
  const isTimed = TIME_FUNCTIONS.has(name) || (name === 'age' && call.args?.length === 1)
  if (isTimed) widen(facts, 'timed')
}

function qualified(names: readonly string[]): readonly [schema: string | undefined, name: string] {
  if (names.length > 2) throw new BodyRefused()
  return [names.at(-2), names.at(-1) ?? '']
}

function visitType(facts: Facts, type: Fields): void {
  if (type['pct_type'] === true) throw new BodyRefused()
  const [schema, name] = qualified(strings(type['names'] as readonly Tree[] | undefined))
  if (name === '' || ((schema === undefined || schema === 'pg_catalog') && OWN_TYPES.has(name))) {
    return
  }
  if (schema !== undefined && OTHERS_SCHEMA.test(schema)) throw new BodyRefused()
  facts.types.add(name)
}
