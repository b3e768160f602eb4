import { callsCluster, planClusterFunction, planSetConfig } from './cluster-functions.ts'
import { planDeclareCursor } from './cursor-planner.ts'
import { planFunctionQuery } from './function-query.ts'
import { planLocal } from './local-planner.ts'
import type { ExplainPlan, Plan } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { planQuery } from './query-planner.ts'
import { Refusal, refuse } from './refusals.ts'
import { planSessionCommand } from './session-commands.ts'
import { tableReferences } from './table-references.ts'
import { isRecord, type Tree } from './tree.ts'
import { planUtility } from './utility-planner.ts'

/**
 * The plan of one statement. Pure and synchronous. Never throws for what it can't do: that is a RefusalPlan.
 * The plan belongs to the catalog's version, the search path and the temporary names it was made with.
 */
export function planStatement(input: PlanInput): Plan {
  try {
    return planNode(input)
  } catch (error) {
    if (error instanceof Refusal) return error.plan()
    throw error
  }
}

function planNode(input: PlanInput): Plan {
  const [entry] = Object.entries(input.statement)
  if (entry === undefined || !isRecord(entry[1]))
    return planLocal(input, '', tableReferences(input, {}))
  const [kind, body] = entry
  switch (kind) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return planCommand(input, kind)
    case 'ExplainStmt':
      return planExplain(input, body)
    case 'DeclareCursorStmt':
      return (
        planDeclareCursor(input, body, planStatement) ??
        planUtility(input, kind, body, planStatement)
      )
    default: {
      const session = planSessionCommand(kind, body, input.text, (tree) =>
        printExpression(input, tree),
      )
      return session ?? planUtility(input, kind, body, planStatement)
    }
  }
}

function planCommand(input: PlanInput, kind: string): Plan {
  const select = input.statement.SelectStmt
  const tables = tableReferences(input, input.statement)
  if (callsCluster(input, tables.distributed.length === 0)) {
    const call = planClusterFunction(input, select)
    if (call !== undefined) return call
    if (select === undefined) return refuse('cluster-function-context')
    return planFunctionQuery(input, select)
  }
  const setting = select === undefined ? undefined : planSetConfig(select)
  if (setting !== undefined) return setting
  if (tables.distributed.length === 0 && tables.reference.length === 0) {
    return planLocal(input, kind, tables)
  }
  return planQuery(input, kind, tables)
}

const EXPLAINABLE: ReadonlySet<string> = new Set([
  'local',
  'select',
  'modify',
  'insert-rows',
  'reference-write',
])

function planExplain(input: PlanInput, body: Readonly<Record<string, unknown>>): Plan {
  const query = body['query'] as Tree
  const options = (body['options'] ?? []) as readonly Tree[]
  if (query['ExecuteStmt'] !== undefined) return refuse('explain-execute')
  const start = explainedStart(input.text)
  const tables = tableReferences(input, query)
  if (tables.distributed.length + tables.reference.length === 0) {
    return planLocal(input, 'ExplainStmt', tables)
  }
  const part = { start, end: input.text.length }
  const statement = planStatement({ ...input, statement: query, part })
  if (statement.kind === 'refusal') return statement
  if (!EXPLAINABLE.has(statement.kind)) return refuse('explain')
  const plan: ExplainPlan = {
    kind: 'explain',
    analyzes: options.some(({ DefElem }) => DefElem?.defname === 'analyze' && isOn(DefElem.arg)),
    options: options
      .filter(({ DefElem }) => DefElem?.defname !== 'analyze')
      .map(optionText)
      .join(', '),
    format: explainFormat(options),
    statement,
    statementText: part,
  }
  return plan
}

function optionValue(argument: Tree | undefined): string {
  const constant = argument?.A_Const
  const number = argument?.['Integer'] as { ival?: number } | undefined
  const bool = argument?.['Boolean'] as { boolval?: boolean } | undefined
  if (number !== undefined) return String(number.ival ?? 0)
  if (bool !== undefined) return bool.boolval === true ? 'true' : 'false'
  return argument?.String?.sval ?? constant?.sval?.sval ?? ''
}

function isOn(argument: Tree | undefined): boolean {
  return argument === undefined || !/^(false|off|0)$/i.test(optionValue(argument))
}

function optionText({ DefElem }: Tree): string {
  return `${DefElem?.defname ?? ''} ${optionValue(DefElem?.arg)}`.trim().toUpperCase()
}

function explainFormat(options: readonly Tree[]): ExplainPlan['format'] {
  const option = options.find(({ DefElem }) => DefElem?.defname === 'format')
  const name = optionValue(option?.DefElem?.arg).toLowerCase()
  return name === 'json' || name === 'xml' || name === 'yaml' ? name : 'text'
}

/** Where the explained statement begins: after EXPLAIN, its words and its parenthesised options. */
function explainedStart(text: Buffer): number {
  const blank = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)`
  const options = String.raw`\((?!${blank}*(?:select|with|values|table|\()\b)[^)]*\)`
  const head = new RegExp(
    String.raw`^${blank}*explain(?:${blank}+(?:analy[sz]e|verbose)\b|${blank}*${options})*${blank}*`,
    'i',
  )
  return head.exec(text.toString('latin1'))?.[0].length ?? 0
}
