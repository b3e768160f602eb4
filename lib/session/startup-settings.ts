import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'

/** Startup parameters that aren't settings. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication'])

/** name -> value, in the order in which Postgres applies them: `options` first, then the others. */
export function startupSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>()
  for (const [name, value] of commandLineSettings(parameters.get('options') ?? '')) {
    settings.set(name, value)
  }
  for (const [name, value] of parameters) {
    if (!NOT_SETTINGS.has(name)) settings.set(name, value)
  }
  return settings
}

/** Of `-c name=value`, `-cname=value` and `--name=value`; a backslash makes the next character plain. */
function* commandLineSettings(options: string): Iterable<[string, string]> {
  const words = splitOptions(options)
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '-c') yield assignment(words[++index] ?? '', word)
    else if (word.startsWith('-c')) yield assignment(word.slice(2), word)
    else if (word.startsWith('--')) yield assignment(word.slice(2), word)
    else throw invalidArgument(word)
  }
}

function splitOptions(options: string): string[] {
  const words: string[] = []
  for (const [word] of options.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)) {
    words.push(word.replace(/\\([\s\S])/g, '$1'))
  }
  return words
}

function assignment(text: string, word: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals <= 0) throw invalidArgument(word)
  // dashes stand for underscores in names, as in ParseLongOption
  return [text.slice(0, equals).replaceAll('-', '_'), text.slice(equals + 1)]
}

function invalidArgument(word: string): RouterError {
  return new RouterError(
    SqlState.syntaxError,
    `invalid command-line argument for server process: ${word}`,
    { severity: 'FATAL' },
  )
}
