import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** What a client of the console asks for; names of commands in lower case, arguments as written. */
export type ConsoleCommand =
  | { readonly kind: 'empty' }
  | { readonly kind: 'show'; readonly what: string; readonly text: string }
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'act'; readonly action: ConsoleAction; readonly argument: string }

/** Commands that do something, by the argument they take. */
const ACTIONS = {
  reload: 'none',
  pause: 'optional',
  resume: 'optional',
  disable: 'required',
  enable: 'required',
  kill: 'optional',
  kill_client: 'required',
  reconnect: 'optional',
  wait_close: 'optional',
  suspend: 'none',
  shutdown: 'optional',
} as const satisfies Readonly<Record<string, 'none' | 'optional' | 'required'>>

export type ConsoleAction = keyof typeof ACTIONS

export const CONSOLE_ACTIONS = Object.keys(ACTIONS) as readonly ConsoleAction[]

/** Longer than any command; what is longer is not searched for words. */
const MAX_COMMAND_BYTES = 4096

const WORD = /"(?:[^"]|"")*"|[0-9a-z_]+/
const COMMAND = new RegExp(`^(${WORD.source})(?:\\s+(${WORD.source}))?$`, 'i')
const SET = new RegExp(
  `^set\\s+(${WORD.source})\\s*(?:=|\\bto\\b)\\s*('(?:[^']|'')*'|${WORD.source}|)$`,
  'i',
)

/** As PgBouncer reads it, with comments and several semicolons allowed. Throws what isn't a command. */
export function parseConsoleCommand(text: string): ConsoleCommand {
  if (text.length > MAX_COMMAND_BYTES) throw invalidCommand(`${text.slice(0, 60)}...`)
  const bare = withoutComments(text)
    .replace(/[\s;]+$/, '')
    .trimStart()
  if (bare === '') return { kind: 'empty' }
  const set = SET.exec(bare)
  if (set !== null) {
    return { kind: 'set', key: unquoted(set[1]).toLowerCase(), value: unquoted(set[2]) }
  }
  const [, word, argument] = COMMAND.exec(bare) ?? []
  if (word === undefined) throw invalidCommand(text)
  return commandOf(unquoted(word).toLowerCase(), unquoted(argument), text)
}

/** Also for a SHOW of something that there isn't. */
export function invalidCommand(text: string): RouterError {
  return consoleError(`invalid command '${text}', use SHOW HELP;`, SqlState.syntaxError)
}

export function consoleError(
  message: string,
  sqlState: string = SqlState.protocolViolation,
): RouterError {
  return new RouterError(sqlState, message)
}

function commandOf(name: string, argument: string, text: string): ConsoleCommand {
  if (name === 'show' || name === 'select') {
    return { kind: 'show', what: argument.toLowerCase(), text }
  }
  if (!isAction(name)) throw invalidCommand(text)
  const takes = ACTIONS[name]
  if (takes === 'none' && argument !== '') throw invalidCommand(text)
  if (takes === 'required' && argument === '' && name !== 'kill_client') {
    throw consoleError('a database is required')
  }
  return { kind: 'act', action: name, argument }
}

function isAction(name: string): name is ConsoleAction {
  return Object.hasOwn(ACTIONS, name)
}

/** Quoted text is left alone. */
function withoutComments(text: string): string {
  return text.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g, (piece) =>
    piece.startsWith('--') || piece.startsWith('/*') ? ' ' : piece,
  )
}

function unquoted(word: string | undefined): string {
  if (word === undefined) return ''
  const quote = word.charAt(0)
  if (quote !== '"' && quote !== "'") return word
  return word.slice(1, -1).replaceAll(quote + quote, quote)
}
