import { findTopLevelKeyword, skipBlanks } from '../sql/text-navigation.ts'
import { isClusterFunction } from './cluster-functions.ts'
import { planLocal } from './local-planner.ts'
import type { ExplainPlan, Plan } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { quoteLiteral } from './setting-values.ts'
import { tableReferences } from './table-references.ts'
import { type Tree, treeKey, walkTree } from './tree.ts'

const EXPLAINABLE: ReadonlySet<string> = new Set([
  'local',
  'select',
  'pulled',
  'modify',
  'insert-rows',
  'insert-through-scratch',
  'reference-write',
  'mirrored',
])

const FORMATS: readonly string[] = ['text', 'json', 'xml', 'yaml']

type Option = { readonly name: string; readonly value: string | undefined }

/** EXPLAIN: the plan of what it explains, whose places and literals count from the start of the whole text. */
export function planExplain(
  input: PlanInput,
  body: Readonly<Record<string, unknown>>,
  planPart: (part: PlanInput) => Plan,
): Plan {
  const query = body['query'] as Tree
  const options = ((body['options'] ?? []) as readonly Tree[]).map(readOption)
  const start = explainedStart(input.text)
  if (query['ExecuteStmt'] !== undefined) {
    const head = input.text.toString('utf8', 0, start)
    return planExplainExecute(input, query, head, readOptions(options).format)
  }
  const tables = tableReferences(input, query)
  if (tables.distributed.length + tables.reference.length === 0) {
    if (callsProxy(input, query)) return refuse('explain')
    return planLocal(input, 'ExplainStmt', tables)
  }
  const declared = (query['DeclareCursorStmt'] as { readonly query?: Tree } | undefined)?.query
  const part = { start: queryStart(input, start, declared), end: input.text.length }
  const statement = planPart({ ...input, statement: declared ?? query, part })
  if (statement.kind === 'refusal') return statement
  if (!EXPLAINABLE.has(statement.kind)) return refuse('explain')
  return { kind: 'explain', ...readOptions(options), statement, statementText: part }
}

/** A function that no server has: its work is done by the proxy. */
function callsProxy({ catalog }: PlanInput, query: Tree): boolean {
  let found = false
  walkTree(query, (kind, node) => {
    if (kind === 'FuncCall' && isClusterFunction(node)) found = true
    return !found
  })
  return found && catalog.isInstalled
}

/** Of a cursor its query is explained: where that begins, proven by parsing it. */
function queryStart({ text, parser }: PlanInput, start: number, query: Tree | undefined): number {
  if (query === undefined) return start
  const keyword = findTopLevelKeyword(text, start, text.length, 'for')
  const from = skipBlanks(text, keyword + 'for'.length)
  const { stmts } = keyword < 0 ? { stmts: [] } : parser.parse(text.subarray(from))
  return treeKey(stmts[0]?.stmt) === treeKey(query) ? from : refuse('explain')
}

/** The session knows what was prepared. */
function planExplainExecute(
  input: PlanInput,
  query: Tree,
  head: string,
  format: ExplainPlan['format'],
): Plan {
  const execute = query['ExecuteStmt'] as { name?: string; params?: readonly Tree[] }
  const command = {
    kind: 'explain-execute',
    head,
    format,
    name: execute.name ?? '',
    arguments: (execute.params ?? []).map((node) => printExpression(input, node)),
  } as const
  return { kind: 'session', command }
}

function readOptions(
  options: readonly Option[],
): Omit<ExplainPlan, 'kind' | 'statement' | 'statementText'> {
  const analyzes = isOn(options, 'analyze', false)
  const format = lastOf(options, 'format')?.value?.toLowerCase()
  const isKnownFormat = format !== undefined && FORMATS.includes(format)
  return {
    analyzes,
    // what the servers don't know they refuse themselves
    options: options
      .filter(({ name }) => name !== 'analyze' && !(name === 'format' && isKnownFormat))
      .map(optionText)
      .join(', '),
    format: isKnownFormat ? (format as ExplainPlan['format']) : 'text',
    showsCosts: isOn(options, 'costs', true),
    showsTiming: isOn(options, 'timing', analyzes),
    showsSummary: isOn(options, 'summary', analyzes),
  }
}

function lastOf(options: readonly Option[], name: string): Option | undefined {
  return options.findLast((option) => option.name === name)
}

function isOn(options: readonly Option[], name: string, byDefault: boolean): boolean {
  const option = lastOf(options, name)
  if (option === undefined) return byDefault
  return option.value === undefined || !/^(?:false|off|0)$/i.test(option.value)
}

function readOption({ DefElem }: Tree): Option {
  const argument = DefElem?.arg
  return {
    name: DefElem?.defname ?? '',
    value: argument === undefined ? undefined : optionValue(argument),
  }
}

function optionValue(argument: Tree): string {
  const number = argument['Integer'] as { ival?: number } | undefined
  const bool = argument['Boolean'] as { boolval?: boolean } | undefined
  if (number !== undefined) return String(number.ival ?? 0)
  if (bool !== undefined) return bool.boolval === true ? 'true' : 'false'
  return argument.String?.sval ?? argument.A_Const?.sval?.sval ?? ''
}

function optionText({ name, value }: Option): string {
  const quoted = `"${name.replaceAll('"', '""')}"`
  return value === undefined ? quoted : `${quoted} ${quoteLiteral(value)}`
}

/** Where the explained statement begins: after EXPLAIN, its words and its parenthesised options. */
export function explainedStart(text: Buffer): number {
  const blank = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)`
  const options = String.raw`\((?!${blank}*(?:select|with|values|table|\()\b)[^)]*\)`
  const head = new RegExp(
    String.raw`^${blank}*explain(?:${blank}+(?:analy[sz]e|verbose)\b|${blank}*${options})*${blank}*`,
    'i',
  )
  return head.exec(text.toString('latin1'))?.[0].length ?? 0
}
