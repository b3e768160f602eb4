import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ParserHost } from '../../../lib/sql/parser-host.ts'
import { statementRange } from '../../../lib/sql/script.ts'

const FOLDER = 'test/sql/corpus'

export type Script = { readonly name: string; readonly text: Buffer }

/** The corpus as scripts of many statements, all of which Postgres' grammar accepts. */
export function scripts(): Script[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(FOLDER, name)) }))
}

/** Every statement of the corpus, as a text of its own. */
export function statements(host: ParserHost): Buffer[] {
  return scripts().flatMap(({ text }) =>
    host.parse(text).stmts.map((statement) => {
      const { start, end } = statementRange(statement, text.length)
      return Buffer.from(text.subarray(start, end))
    }),
  )
}

/** Texts that need not be valid, one a line. */
export function fragments(): Buffer[] {
  return readFileSync(join(FOLDER, 'fragments.txt'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line))
}
