import { matchingParenthesis } from '../sql/text-navigation.ts'
import { columnQualifiers, splittableRows } from './copy-rows.ts'
import { orRefusal } from './or-refusal.ts'
import type { CopyPlan, CopyQueryPlan, Plan, TextRange } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { relationRange, skipBlanks } from './qualifiers.ts'
import { type RefusalId, refuse } from './refusals.ts'
import { resolveRangeVar, type StatementTables } from './table-references.ts'
import { type RangeVar, strings, type Tree } from './tree.ts'
import { planMirrored } from './write/mirror-planner.ts'

type Fields = Readonly<Record<string, unknown>>
type PlanPart = (part: PlanInput) => Plan

/** COPY of a cluster table, or of a query over distributed ones; undefined: of local and reference tables, on the coordinator. */
export function planCopy(
  input: PlanInput,
  body: Fields,
  tables: StatementTables,
  planPart: PlanPart,
): CopyPlan | CopyQueryPlan | undefined {
  const relation = body['relation'] as RangeVar | undefined
  if (relation === undefined) return planCopyQuery(input, body, tables, planPart)
  const table = resolveRangeVar(input, relation)
  if (table === undefined) return undefined
  const isFrom = body['is_from'] === true
  if (isOfFile(body) && (isFrom || table.kind === 'distributed')) return refuse('copy-file')
  const qualifiers = columnQualifiers(input.text, body['whereClause'] as Tree | undefined, table)
  const listed = strings(body['attlist'] as readonly Tree[] | undefined)
  const all = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const columns = listed.length > 0 ? listed : all
  const rows =
    isFrom && table.kind === 'distributed' ? splittableRows(input, body, table, columns) : undefined
  return {
    kind: 'copy',
    table,
    direction: isFrom ? 'from' : 'to',
    target: relationRange(input.text, relation),
    qualifiers,
    columns,
    ...copyOptions(body),
    rows,
  }
}

function isOfFile(body: Fields): boolean {
  return body['filename'] !== undefined || body['is_program'] === true
}

function planCopyQuery(
  input: PlanInput,
  body: Fields,
  tables: StatementTables,
  planPart: PlanPart,
): CopyQueryPlan | undefined {
  const statement = body['query'] as Tree
  const changed = tables.references.flatMap(({ role, table }) =>
    role === 'target' && table !== undefined ? [table] : [],
  )
  if (tables.distributed.length === 0 && changed.length === 0) return undefined
  if (isOfFile(body)) return refuse('copy-file')
  const part = queryRange(input.text)
  const own = { ...input, statement, part }
  const overMirrors = () => planMirrored(own, Object.keys(statement)[0] ?? '', tables)
  const mirrored = changed.length === 0 ? undefined : () => orRefusal(overMirrors)
  const common = { kind: 'copy-query', mirrored, queryText: part, ...copyOptions(body) } as const
  // each of its copies would be asked for the rows
  if (changed.some(({ kind }) => kind === 'reference')) return { ...common, query: overMirrors() }
  const query = planPart(own)
  switch (query.kind) {
    case 'select':
    case 'pulled':
    case 'modify':
    case 'insert-rows':
    case 'mirrored':
      return { ...common, query }
    case 'refusal':
      return refuse(query.id as RefusalId, query.detail, query.offset)
    default:
      return changed.length === 0 ? refuse('expression') : { ...common, query: overMirrors() }
  }
}

/** What stands between the parentheses after COPY. */
function queryRange(text: Buffer): TextRange {
  const copy = skipBlanks(text, 0)
  const open = skipBlanks(text, copy + 'copy'.length)
  const close = matchingParenthesis(text, open)
  return close < 0 ? refuse('expression') : { start: open + 1, end: close }
}

function copyOptions(body: Fields): Pick<CopyPlan, 'format' | 'hasHeader'> {
  const options = (body['options'] ?? []) as readonly Tree[]
  return { format: copyFormat(options), hasHeader: copyHasHeader(options) }
}

function copyFormat(options: readonly Tree[]): CopyPlan['format'] {
  const format = options.find(({ DefElem }) => DefElem?.defname === 'format')?.DefElem?.arg
  const name = format?.String?.sval?.toLowerCase()
  return name === 'csv' || name === 'binary' ? name : 'text'
}

function copyHasHeader(options: readonly Tree[]): boolean {
  const header = options.find(({ DefElem }) => DefElem?.defname === 'header')?.DefElem
  if (header === undefined) return false
  const value = JSON.stringify(header.arg ?? true).toLowerCase()
  return !/"(false|off|0)"|\{"boolean":\{\}\}|"ival":\{\}/.test(value)
}
