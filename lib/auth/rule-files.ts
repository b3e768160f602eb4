import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type RuleLine, readRuleLines, type Word } from './rule-lines.ts'

/** As in Postgres (CONF_FILE_MAX_DEPTH). */
const MAX_DEPTH = 10

export type PlacedLine = RuleLine & {
  /** The file's name and the number of the line in it. */
  readonly place: string
}

type Included = { readonly lines: readonly PlacedLine[]; readonly faults: readonly string[] }

/** The lines of a rule file, with those of the files that it includes (include, include_if_exists, include_dir) in their places. */
export function readRuleFiles(text: string, file: string, depth = 0): Included {
  const { lines, faults } = readRuleLines(text, file)
  const found: PlacedLine[] = []
  const wrong = [...faults]
  for (const line of lines) {
    const place = `${file}:${line.line}`
    const directive = directiveOf(line)
    if (directive === undefined) {
      found.push({ ...line, place })
      continue
    }
    try {
      for (const included of filesOf(directive, dirname(file))) {
        const inner = readIncluded(included, directive, depth)
        found.push(...inner.lines)
        wrong.push(...inner.faults)
      }
    } catch (error) {
      wrong.push(`${place}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { lines: found, faults: wrong }
}

/** `@file` in a list of names stands for all words of that file. Throws what is wrong with it. */
export function expandNames(words: readonly Word[], directory: string, depth = 0): readonly Word[] {
  return words.flatMap((word) => {
    if (word.isQuoted || !word.text.startsWith('@') || word.text.length === 1) return [word]
    const file = resolve(directory, word.text.slice(1))
    if (depth >= MAX_DEPTH) throw new Error(`${file}: files are nested too deeply`)
    const { lines, faults } = readRuleLines(textOf(file), file)
    const [fault] = faults
    if (fault !== undefined) throw new Error(fault)
    const inner = lines.flatMap(({ fields }) => fields.flat())
    return expandNames(inner, dirname(file), depth + 1)
  })
}

type Directive = {
  readonly kind: 'include' | 'include_if_exists' | 'include_dir'
  readonly path: string
}

function directiveOf({ fields }: RuleLine): Directive | undefined {
  const [word] = fields[0] ?? []
  const kind = word?.text
  if (word?.isQuoted !== false) return undefined
  if (kind !== 'include' && kind !== 'include_if_exists' && kind !== 'include_dir') return undefined
  return { kind, path: fields[1]?.[0]?.text ?? '' }
}

function filesOf({ kind, path }: Directive, directory: string): readonly string[] {
  if (path === '') throw new Error(`${kind} needs a name`)
  const target = resolve(directory, path)
  if (kind !== 'include_dir') return [target]
  return readdirSync(target)
    .filter((name) => name.endsWith('.conf') && !name.startsWith('.'))
    .sort()
    .map((name) => join(target, name))
}

function readIncluded(file: string, { kind }: Directive, depth: number): Included {
  if (depth + 1 >= MAX_DEPTH) throw new Error(`${file}: files are nested too deeply`)
  let text: string
  try {
    text = textOf(file)
  } catch (error) {
    const isMissing = (error as { cause?: NodeJS.ErrnoException }).cause?.code === 'ENOENT'
    if (kind === 'include_if_exists' && isMissing) return { lines: [], faults: [] }
    throw error
  }
  return readRuleFiles(text, file, depth + 1)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new Error(`cannot read ${file} (${code})`, { cause })
  }
}
