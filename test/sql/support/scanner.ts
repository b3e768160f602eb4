import { bytesAt, copyIn, createLibPgQuery } from '../../../lib/sql/libpg-query-module.ts'

export type Token = { readonly start: number; readonly end: number; readonly tokenType: number }

/** Token numbers of Postgres 18's grammar, as libpg-query's scanner gives them. */
export const TokenType = {
  float: 260,
  string: 261,
  unicodeString: 262,
  bits: 263,
  hexBits: 264,
  integer: 266,
  lineComment: 275,
  blockComment: 276,
} as const

/** Postgres' own scanner; undefined where it reports an error. */
export async function createScanner(): Promise<(text: Buffer) => Token[] | undefined> {
  const library = await createLibPgQuery()
  return (text) => {
    const input = copyIn(library, text)
    const output = library._wasm_scan(input)
    const json = bytesAt(library, output).toString()
    library._free(input)
    library._wasm_free_string(output)
    if (!json.startsWith('{')) return undefined
    return (JSON.parse(json) as { tokens: Token[] }).tokens
  }
}
