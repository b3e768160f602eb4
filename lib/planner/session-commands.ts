import type { SessionCommand, SessionPlan, TextRange } from './plan.ts'
import { refuse } from './refusals.ts'
import { quoteLiteral } from './setting-values.ts'
import { strings, type Tree, type TypeName } from './tree.ts'

type Fields = Readonly<Record<string, unknown>>

/** SQL of an expression's tree. */
export type PrintExpression = (expression: Tree) => string

/** Statements about the session itself; undefined: `kind` is none of them. */
export function planSessionCommand(
  kind: string,
  body: Fields,
  text: Buffer,
  printExpression: PrintExpression,
): SessionPlan | undefined {
  const command = sessionCommand(kind, body, text, printExpression)
  return command === undefined ? undefined : { kind: 'session', command }
}

function sessionCommand(
  kind: string,
  body: Fields,
  text: Buffer,
  printExpression: PrintExpression,
): SessionCommand | undefined {
  switch (kind) {
    case 'TransactionStmt':
      return transactionCommand(body)
    case 'VariableSetStmt':
      return setCommand(body)
    case 'VariableShowStmt':
      return { kind: 'show', name: textField(body, 'name') }
    case 'DiscardStmt':
      return { kind: 'discard', what: discardTarget(textField(body, 'target')) }
    case 'PrepareStmt':
      return prepareCommand(body, text)
    case 'ExecuteStmt':
      return {
        kind: 'execute',
        name: textField(body, 'name'),
        arguments: treeList(body, 'params').map((node) => printExpression(node)),
      }
    case 'DeallocateStmt': {
      const name = body['name']
      return { kind: 'deallocate', name: typeof name === 'string' ? name : undefined }
    }
    case 'ListenStmt':
      return { kind: 'listen', channel: textField(body, 'conditionname') }
    case 'UnlistenStmt': {
      const channel = textField(body, 'conditionname')
      return { kind: 'unlisten', channel: channel === '' ? undefined : channel }
    }
    case 'ClosePortalStmt':
      return textField(body, 'portalname') === '' ? { kind: 'close-all' } : undefined
    default:
      return undefined
  }
}

function textField(body: Fields, field: string): string {
  const value = body[field]
  return typeof value === 'string' ? value : ''
}

function treeList(body: Fields, field: string): readonly Tree[] {
  const value = body[field]
  return Array.isArray(value) ? (value as readonly Tree[]) : []
}

function transactionCommand(body: Fields): SessionCommand | undefined {
  const chain = body['chain'] === true
  const name = textField(body, 'savepoint_name')
  switch (textField(body, 'kind')) {
    case 'TRANS_STMT_COMMIT':
      return { kind: 'commit', chain }
    case 'TRANS_STMT_ROLLBACK':
      return { kind: 'rollback', chain }
    case 'TRANS_STMT_SAVEPOINT':
      return { kind: 'savepoint', name }
    case 'TRANS_STMT_RELEASE':
      return { kind: 'release', name }
    case 'TRANS_STMT_ROLLBACK_TO':
      return { kind: 'rollback-to', name }
    case 'TRANS_STMT_PREPARE':
      return { kind: 'prepare-transaction', gid: textField(body, 'gid') }
    case 'TRANS_STMT_COMMIT_PREPARED':
      return { kind: 'finish-prepared', commits: true, gid: textField(body, 'gid') }
    case 'TRANS_STMT_ROLLBACK_PREPARED':
      return { kind: 'finish-prepared', commits: false, gid: textField(body, 'gid') }
    default:
      return { kind: 'begin', options: transactionOptions(treeList(body, 'options')) }
  }
}

/** For example `ISOLATION LEVEL serializable, READ ONLY, DEFERRABLE`. */
function transactionOptions(options: readonly Tree[]): string {
  return options
    .map(({ DefElem }) => {
      const value = DefElem?.arg?.A_Const
      const isOn = (value?.ival?.ival ?? 0) !== 0
      if (DefElem?.defname === 'transaction_isolation') {
        return `ISOLATION LEVEL ${value?.sval?.sval ?? ''}`
      }
      if (DefElem?.defname === 'transaction_read_only') return isOn ? 'READ ONLY' : 'READ WRITE'
      return isOn ? 'DEFERRABLE' : 'NOT DEFERRABLE'
    })
    .join(', ')
}

function setCommand(body: Fields): SessionCommand {
  const name = textField(body, 'name')
  const isLocal = body['is_local'] === true
  switch (textField(body, 'kind')) {
    case 'VAR_RESET_ALL':
      return { kind: 'reset-all' }
    case 'VAR_RESET':
      return { kind: 'reset', name }
    case 'VAR_SET_MULTI':
      return name === 'SESSION CHARACTERISTICS'
        ? { kind: 'set-several', settings: transactionDefaults(treeList(body, 'args')) }
        : { kind: 'set-transaction' }
    case 'VAR_SET_CURRENT':
      return refuse('set-from-current')
    case 'VAR_SET_DEFAULT':
      return { kind: 'set', name, isLocal, value: undefined }
    default:
      return {
        kind: 'set',
        name,
        isLocal,
        value: treeList(body, 'args').map(settingValue).join(', '),
      }
  }
}

function transactionDefaults(options: readonly Tree[]) {
  return options.map(({ DefElem }) => {
    const value = DefElem?.arg?.A_Const
    return {
      name: `default_${DefElem?.defname ?? ''}`,
      value:
        value?.sval === undefined
          ? String((value?.ival?.ival ?? 0) !== 0)
          : quoteLiteral(value.sval.sval ?? ''),
    }
  })
}

function settingValue(argument: Tree): string {
  const constant = argument.A_Const
  if (constant?.sval !== undefined) return quoteLiteral(constant.sval.sval ?? '')
  if (constant?.ival !== undefined) return String(constant.ival.ival ?? 0)
  if (constant?.fval !== undefined) return constant.fval.fval ?? ''
  if (constant?.boolval !== undefined) return constant.boolval.boolval === true ? 'true' : 'false'
  const zone = posixZone(argument.TypeCast?.arg?.A_Const?.sval?.sval ?? '')
  return zone === undefined ? refuse('set-from-current') : quoteLiteral(zone)
}

/** SET TIME ZONE INTERVAL '+05:30' …: Postgres keeps it as a POSIX zone, whose sign is the other way round. */
function posixZone(interval: string): string | undefined {
  const match = /^([+-]?)(\d{1,2}):(\d{2})$/.exec(interval)
  if (match === null) return undefined
  const [, sign, hours = '', minutes = ''] = match
  const offset = `${hours.padStart(2, '0')}${minutes === '00' ? '' : `:${minutes}`}`
  return sign === '-' ? `<-${offset}>+${offset}` : `<+${offset}>-${offset}`
}

function discardTarget(target: string): 'all' | 'plans' | 'sequences' | 'temp' {
  if (target === 'DISCARD_PLANS') return 'plans'
  if (target === 'DISCARD_SEQUENCES') return 'sequences'
  return target === 'DISCARD_TEMP' ? 'temp' : 'all'
}

function prepareCommand(body: Fields, text: Buffer): SessionCommand {
  const types = treeList(body, 'argtypes').map((node) => typeText(node.TypeName ?? {}))
  return { kind: 'prepare', name: textField(body, 'name'), types, statement: preparedText(text) }
}

/** `PREPARE name (types) AS statement`: what follows the first AS outside of parentheses. */
function preparedText(text: Buffer): TextRange {
  const match = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*prepare\s+(?:"(?:[^"]|"")*"|[^\s("]+)/i.exec(
    text.toString('latin1'),
  )
  let position = match?.[0].length ?? 0
  const latin = text.toString('latin1')
  for (let depth = 0; position < latin.length; position += 1) {
    if (latin[position] === '(') depth += 1
    else if (latin[position] === ')') depth -= 1
    else if (depth === 0 && /^as\b/i.test(latin.slice(position, position + 3))) break
  }
  return { start: position + 2, end: text.length }
}

/** A type's name as SQL, for PREPARE's list. */
export function typeText(type: TypeName): string {
  const names = strings(type.names)
  const text = names.map((name) => `"${name.replaceAll('"', '""')}"`).join('.')
  const modifiers = (type.typmods ?? []).map(settingValue)
  const suffix = modifiers.length === 0 ? '' : `(${modifiers.join(', ')})`
  return `${text}${suffix}${'[]'.repeat(type.arrayBounds?.length ?? 0)}`
}
