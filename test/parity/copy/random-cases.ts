import { Random } from '../random/random.ts'
import { type CopyCase, cut } from './copy-case.ts'

const WORDS = [
  '',
  'a',
  'b c',
  "it's",
  'say "x"',
  'tab\there',
  'line\nbreak',
  'back\\slash',
  'ü€𝄞',
  'comma,semi;',
  '\\N',
  'NULL',
  'x\r\ny',
  '\\.',
  'q'.repeat(300),
]

type Row = { readonly n: string | null; readonly k: string; readonly t: string | null }

/** A table of random rows in a random form of text or CSV, in one of three cases with a fault. */
export function randomCase(seed: number, index: number): CopyCase {
  const random = Random.of(seed, index)
  const rows = Array.from({ length: random.below(random.chance(20) ? 400 : 30) }, () => row(random))
  const isCsv = random.chance(60)
  const newline = random.pick(['\n', '\n', '\r\n', '\r'])
  const form = isCsv ? csvForm(random) : textForm(random)
  const hasHeader = random.chance(25)
  const lines = rows.map(({ n, k, t }) => [n, k, t].map(form.field).join(form.delimiter))
  const isSpoiled = random.chance(35)
  if (isSpoiled) spoil(lines, random, form.delimiter)
  if (hasHeader) lines.unshift(['n', 'k', 't'].join(form.delimiter))
  const last = random.chance(80) ? newline : ''
  const data = Buffer.from(lines.join(newline) + (lines.length > 0 ? last : ''))
  return {
    name: `PGLOOM_COPY_SEED=${seed}, case ${index}: ${JSON.stringify(data.toString('utf8', 0, 300))}`,
    table: 'by_int',
    options: `${form.options}${hasHeader ? ', HEADER' : ''}`,
    pieces: cut(data, (below) => random.below(below)),
    ...(!isSpoiled && random.chance(10) ? { reason: 'enough' } : {}),
  }
}

function row(random: Random): Row {
  return {
    n: random.chance(20) ? null : String(random.below(99_999) / 100),
    k: random.chance(5) ? ` ${random.below(100)} ` : String(random.below(200_000) - 100_000),
    t: random.chance(10) ? null : random.pick(WORDS),
  }
}

type Form = {
  readonly options: string
  readonly delimiter: string
  readonly field: (value: string | null) => string
}

function textForm(random: Random): Form {
  const delimiter = random.pick(['\t', '|', ','])
  const nullText = random.pick(['\\N', '', 'nil'])
  const escaped = (value: string) =>
    value.replace(
      /[\\\n\r\t|,]/g,
      (c) => ({ '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c] ?? `\\${c}`,
    )
  return {
    delimiter,
    options: `DELIMITER E'\\x${delimiter.charCodeAt(0).toString(16)}', NULL '${nullText}'`,
    field: (value) => (value === null ? nullText : escaped(value)),
  }
}

function csvForm(random: Random): Form {
  const delimiter = random.pick([',', ';', '\t'])
  const quote = random.pick(['"', '"', "'"])
  const marks = random.chance(60) ? [quote, quote] : [quote, '\\']
  const [, mark = quote] = marks
  const nullText = random.pick(['', 'NULL'])
  const quoted = (value: string) =>
    quote +
    value.replace(new RegExp(`[${quote}\\\\]`, 'g'), (c) =>
      c === quote || c === mark ? mark + c : c,
    ) +
    quote
  const needsQuotes = (value: string) =>
    value === nullText || value === '' || /["'\n\r\\,;\t]/.test(value) || random.chance(15)
  return {
    delimiter,
    options: `FORMAT csv, DELIMITER E'\\x${delimiter.charCodeAt(0).toString(16)}', QUOTE ${quote === "'" ? "''''" : `'${quote}'`}, ESCAPE ${mark === "'" ? "''''" : `'${mark}'`}, NULL '${nullText}'`,
    field: (value) => {
      if (value === null) return nullText
      return needsQuotes(value) ? quoted(value) : value
    },
  }
}

/** One mistake: with several, which of them is told first may differ. */
function spoil(lines: string[], random: Random, delimiter: string): void {
  const at = random.below(lines.length)
  const line = lines[at]
  if (line === undefined) return
  const spoiled = random.pick([
    `${line}${delimiter}more`,
    line.replace(delimiter, `${delimiter}x`),
    `5000${line.slice(line.indexOf(delimiter))}`,
    line.slice(0, line.indexOf(delimiter)),
    `"${line}`,
    `${line}\n`,
    `${line}\r`,
    `${line}\0`,
    `\\.${line}`,
  ])
  lines[at] = spoiled
}
