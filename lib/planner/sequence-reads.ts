import type { LocalPlan } from './plan.ts'
import { builtinName, isRecord, type Tree, walkTree } from './tree.ts'

const READERS: ReadonlySet<string> = new Set(['currval', 'lastval'])
/** Whose owned sequences each node knows. */
const HELPERS: ReadonlySet<string> = new Set(['pg_get_serial_sequence'])

/** What a statement that asks for nothing but such values is made of. */
const KINDS: ReadonlySet<string> = new Set([
  'SelectStmt',
  'ResTarget',
  'FuncCall',
  'TypeCast',
  'TypeName',
  'A_Const',
  'ParamRef',
  'String',
  'Integer',
])

/** Whether a statement calls currval() or lastval(), and whether a worker, which has shared sequences only, can answer it. */
export function sequenceReads(statement: Tree): LocalPlan['readsSequences'] {
  let reads = false
  let isAlone = true
  walkTree(statement, (kind, node) => {
    const name = kind === 'FuncCall' ? builtinName(node) : undefined
    const isReader = name !== undefined && READERS.has(name)
    if (isReader) reads = true
    else if (kind === 'FuncCall' && !HELPERS.has(name ?? '')) isAlone = false
    if (!KINDS.has(kind) || (kind === 'SelectStmt' && !isBare(node))) isAlone = false
    return undefined
  })
  if (!reads) return 'none'
  return isAlone ? 'alone' : 'beside others'
}

/** No set operation, no clause but the list of columns. */
function isBare(select: unknown): boolean {
  if (!isRecord(select)) return false
  const { op, limitOption, targetList: _, ...others } = select
  const isPlain = op === 'SETOP_NONE' && limitOption === 'LIMIT_OPTION_DEFAULT'
  return isPlain && Object.keys(others).length === 0
}
