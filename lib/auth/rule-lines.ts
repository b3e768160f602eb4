/** A word of pg_hba.conf or pg_ident.conf. In quotes, keywords are plain names. */
export type Word = {
  readonly text: string
  readonly isQuoted: boolean
  /** The name is whatever this matches. */
  readonly pattern?: RegExp
  /** `text` is a role: its members are meant. */
  readonly isRole?: boolean
}
/** Fields of a line; a field is a list of words separated by commas. */
export type RuleLine = { readonly line: number; readonly fields: readonly (readonly Word[])[] }

export type RuleLines = { readonly lines: readonly RuleLine[]; readonly faults: readonly string[] }

const TOKEN = /[ \t\r\f]+|#.*|,|"((?:[^"]|"")*)"|[^\s,"#]+|"/gy

/** Cuts the text of pg_hba.conf or pg_ident.conf as Postgres does: comments, quotes, lists, continued lines. */
export function readRuleLines(text: string, file: string): RuleLines {
  const lines: RuleLine[] = []
  const faults: string[] = []
  let begun: { line: number; text: string } | undefined
  for (const [index, physical] of text.split('\n').entries()) {
    const line: { line: number; text: string } = begun ?? { line: index + 1, text: '' }
    const bare = physical.replace(/\r$/, '')
    if (bare.endsWith('\\')) {
      begun = { line: line.line, text: line.text + bare.slice(0, -1) }
      continue
    }
    begun = undefined
    const fields = readFields(line.text + bare)
    if (fields === undefined) faults.push(`${file}:${line.line}: unterminated quoted string`)
    else if (fields.length > 0) lines.push({ line: line.line, fields })
  }
  if (begun !== undefined) faults.push(`${file}:${begun.line}: the last line is continued by \\`)
  return { lines, faults }
}

function readFields(line: string): Word[][] | undefined {
  const fields: Word[][] = []
  let endsField = true
  let joinsWord = false
  for (const [token, quoted] of line.matchAll(TOKEN)) {
    if (token === '"') return undefined
    if (token === ',') {
      endsField = false
      joinsWord = false
    } else if (token.startsWith('#') || /^\s/.test(token)) {
      // a list goes on after "a, b"
      endsField = joinsWord || endsField
      joinsWord = false
    } else {
      addWord(fields, wordOf(token, quoted), endsField, joinsWord)
      endsField = false
      joinsWord = true
    }
  }
  return fields
}

function wordOf(token: string, quoted: string | undefined): Word {
  return quoted === undefined
    ? { text: token, isQuoted: false }
    : { text: quoted.replaceAll('""', '"'), isQuoted: true }
}

/** Pieces without a gap between them are one word: cn="a b" */
function addWord(fields: Word[][], word: Word, endsField: boolean, joinsWord: boolean): void {
  const field = fields.at(-1)
  if (field === undefined || (endsField && !joinsWord)) {
    fields.push([word])
    return
  }
  const last = field.at(-1)
  if (!joinsWord || last === undefined) field.push(word)
  else {
    field[field.length - 1] = {
      text: last.text + word.text,
      isQuoted: last.isQuoted || word.isQuoted,
    }
  }
}
