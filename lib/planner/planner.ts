import { callsCluster, planClusterFunction, planSetConfig } from './cluster-functions.ts'
import { planDeclareCursor } from './cursor-planner.ts'
import { planExplain } from './explain-planner.ts'
import { planFunctionQuery } from './function-query.ts'
import { planLocal } from './local-planner.ts'
import type { Plan } from './plan.ts'
import { type PlanInput, printExpression } from './plan-input.ts'
import { planQuery } from './query-planner.ts'
import { Refusal, refuse } from './refusals.ts'
import { planSessionCommand } from './session-commands.ts'
import { tableReferences } from './table-references.ts'
import { isRecord } from './tree.ts'
import { planUtility } from './utility-planner.ts'
import { keepUnique } from './write/unique-writes.ts'

/**
 * The plan of one statement. Pure and synchronous. Never throws for what it can't do: that is a RefusalPlan.
 * The plan belongs to the catalog's version, the search path and the temporary names it was made with.
 */
export function planStatement(input: PlanInput): Plan {
  try {
    return keepUnique(input, planNode(input))
  } catch (error) {
    if (error instanceof Refusal) return error.plan()
    throw error
  }
}

/** Also of a statement inside another, which answers for what that writes. */
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
      return planExplain(input, body, planNode)
    case 'DeclareCursorStmt':
      return planDeclareCursor(input, body, planNode) ?? planUtility(input, kind, body, planNode)
    default: {
      const session = planSessionCommand(kind, body, input.text, (tree) =>
        printExpression(input, tree),
      )
      return session ?? planUtility(input, kind, body, planNode)
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
