import type { ClusterTable, DistributedTable } from '../catalog/catalog.ts'
import { classifyFunction } from './builtin-functions.ts'
import type { CopyRows, Replacement } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { qualifierRange } from './qualifiers.ts'
import { refuse } from './refusals.ts'
import { builtinName, type DefElem, type FuncCall, strings, type Tree, walkTree } from './tree.ts'
import { callsShadowed } from './user-code.ts'

type Options = ReadonlyMap<string, Tree | undefined>

/** An option of COPY that isn't here may change what the rows mean: Postgres alone reads them then. */
const KNOWN: ReadonlySet<string> = new Set(
  'format header delimiter null quote escape encoding freeze force_null force_not_null'.split(' '),
)
const BACKSLASH = 0x5c

/**
 * How the rows of a COPY FROM can be told from one another, and their keys be found; undefined: only Postgres can.
 * `columns`: those that are given. Wrong options are left to Postgres, which refuses them.
 */
export function splittableRows(
  input: PlanInput,
  body: Readonly<Record<string, unknown>>,
  table: DistributedTable,
  columns: readonly string[],
): CopyRows | undefined {
  const keyIndex = columns.indexOf(table.distributionColumn.name)
  const options = readOptions(body['options'] as readonly Tree[] | undefined)
  if (keyIndex < 0 || options === undefined) return undefined
  if (!dependsOnRowOnly(input, body['whereClause'] as Tree | undefined)) return undefined
  const format = word(options, 'format') ?? 'text'
  const encoding = word(options, 'encoding')
  const common = { keyIndex, columnCount: columns.length, encoding }
  if (format === 'binary') return { ...common, format }
  const marks = format === 'csv' ? csvMarks(options) : textMarks(options, format)
  if (marks === undefined || !isPlain(marks.nullText)) return undefined
  return {
    ...common,
    ...marks,
    nullText: Buffer.from(marks.nullText, 'latin1'),
    forcesNulls: options.has('force_null') || options.has('force_not_null'),
  }
}

function textMarks(options: Options, format: string) {
  const delimiter = byte(options, 'delimiter', '\t')
  if (format !== 'text' || delimiter === undefined || isReserved(delimiter)) return undefined
  const nullText = word(options, 'null') ?? '\\N'
  return { format, delimiter, quote: 0, escape: 0, nullText } as const
}

function csvMarks(options: Options) {
  const delimiter = byte(options, 'delimiter', ',')
  const quote = byte(options, 'quote', '"')
  const escaping = options.has('escape') ? byte(options, 'escape', '"') : quote
  if (delimiter === undefined || quote === undefined || escaping === undefined) return undefined
  if (isReserved(delimiter) || isReserved(quote) || isLineEnd(escaping)) return undefined
  if (delimiter === quote || delimiter === escaping) return undefined
  const nullText = word(options, 'null') ?? ''
  return { format: 'csv', delimiter, quote, escape: escaping, nullText } as const
}

/** One byte a character in every encoding. */
function isPlain(nullText: string): boolean {
  return [...nullText].every((character) => character >= ' ' && character <= '~')
}

function isReserved(byte: number): boolean {
  return byte === BACKSLASH || isLineEnd(byte)
}

function isLineEnd(byte: number): boolean {
  return byte === 0x0a || byte === 0x0d
}

function readOptions(list: readonly Tree[] = []): Options | undefined {
  const options = new Map<string, Tree | undefined>()
  for (const { DefElem } of list) {
    const { defname = '', arg }: DefElem = DefElem ?? {}
    if (!KNOWN.has(defname) || options.has(defname)) return undefined
    options.set(defname, arg)
  }
  return options
}

function word(options: Options, name: string): string | undefined {
  return options.has(name) ? (options.get(name)?.String?.sval ?? '') : undefined
}

/** A single ASCII character; undefined: it is something else. */
function byte(options: Options, name: string, absent: string): number | undefined {
  const text = word(options, name) ?? absent
  const code = text.charCodeAt(0)
  return text.length === 1 && code > 0 && code < 0x80 ? code : undefined
}

const PURE_KINDS: ReadonlySet<string> = new Set(
  'A_Const A_Expr BoolExpr BooleanTest ColumnRef FuncCall List NullTest String'.split(' '),
)
/** Texts that dates and times read as the time at hand, which differs from server to server. */
const MOVING = /now|today|tomorrow|yesterday/i

/** Whether the condition gives the same wherever it is evaluated. */
function dependsOnRowOnly(input: PlanInput, condition: Tree | undefined): boolean {
  if (condition === undefined) return true
  let isPure = !callsShadowed(condition, input.catalog.userCode)
  walkTree(condition, (kind, node) => {
    if (!PURE_KINDS.has(kind)) isPure = false
    if (kind === 'FuncCall') isPure &&= isImmutableCall(node as FuncCall)
    if (kind === 'A_Const') isPure &&= !MOVING.test(JSON.stringify(node))
    return isPure
  })
  return isPure
}

function isImmutableCall(call: FuncCall): boolean {
  const name = builtinName(call)
  return name !== undefined && classifyFunction(name) === 'immutable'
}

/** What stands before the columns' names if that is the table's, which has another one where the rows are evaluated. */
export function columnQualifiers(
  text: Buffer,
  condition: Tree | undefined,
  table: ClusterTable,
): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(condition, (kind, node) => {
    if (kind !== 'ColumnRef') return undefined
    const fields = (node['fields'] ?? []) as readonly Tree[]
    const names = strings(fields)
    const isRow = names.length === 1 && isWholeRow(names[0], table)
    if (names.length < fields.length || isRow) return refuse('copy-where')
    const isKnown = table.columns.some(({ name }) => name === names.at(-1))
    if (isKnown && isOf(table, names.slice(0, -1))) {
      const range = qualifierRange(text, Number(node['location'] ?? 0), names.length)
      found.push({ ...range, text: '' })
    }
    return undefined
  })
  return found
}

function isWholeRow(name: string | undefined, table: ClusterTable): boolean {
  return name === table.name && !table.columns.some((column) => column.name === name)
}

/** Any other qualifier is wrong, as Postgres says. */
function isOf({ schema, name }: ClusterTable, qualifier: readonly string[]): boolean {
  const [table, ...schemas] = qualifier.toReversed()
  return table === name && schemas.every((one) => one === schema) && schemas.length < 2
}
