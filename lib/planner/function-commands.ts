import type { DdlPlan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'

type Fields = Readonly<Record<string, unknown>>

const FUNCTIONS: ReadonlySet<unknown> = new Set([
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
])

/** For all nodes: what is the same on each may be called there. A session's own functions are its coordinator's. */
export function planFunctionCommand(
  input: PlanInput,
  kind: string,
  body: Fields,
): DdlPlan | undefined {
  const { catalog, searchPath, statement } = input
  if (!catalog.isInstalled || catalog.nodes.length < 2 || !isOfFunction(kind, body)) {
    return undefined
  }
  const isTemporary =
    searchPath[0]?.startsWith('pg_temp') === true || JSON.stringify(statement).includes('"pg_temp')
  if (isTemporary) return undefined
  return { kind: 'ddl', command: 'FUNCTION', tables: [], splices: [], indexNames: [] }
}

function isOfFunction(kind: string, body: Fields): boolean {
  switch (kind) {
    case 'CreateFunctionStmt':
    case 'AlterFunctionStmt':
      return true
    case 'DefineStmt':
      return FUNCTIONS.has(body['kind'])
    case 'RenameStmt':
      return FUNCTIONS.has(body['renameType'])
    case 'AlterObjectSchemaStmt':
    case 'AlterOwnerStmt':
      return FUNCTIONS.has(body['objectType'])
    case 'DropStmt':
      return FUNCTIONS.has(body['removeType'])
    case 'GrantStmt':
      return FUNCTIONS.has(body['objtype'])
    default:
      return false
  }
}
