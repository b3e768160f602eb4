/**
 * 'now', 'today', 'tomorrow', 'yesterday' as Postgres reads them in the text of a date or time; not now(), nor a part of a word.
 * What escapes may hide, or strings that go on in the next line, counts too.
 */
const MOMENT = /(?<![a-z])(?:now|today|tomorrow|yesterday)(?![a-z]|\s*\()/i
const HIDDEN = /\\|U&'|'(?:[^\S\n]|--[^\n]*)*\n(?:\s|--[^\n]*\n)*'/i

/**
 * A literal of the statement may mean the moment in which a server parses it: kept prepared, it would stay at that moment for all who
 * run it later.
 */
export function mayNameMoment(text: Buffer): boolean {
  const characters = text.toString('latin1')
  return MOMENT.test(characters) || HIDDEN.test(characters)
}
