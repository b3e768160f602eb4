import { isDeepStrictEqual } from 'node:util'
import type t from 'tap'
import type { Answer, RawClient } from '../support/raw-client.ts'

type Test = Pick<typeof t, 'same' | 'pass'>

export type Pair = { readonly stock: RawClient; readonly proxy: RawClient }

/** As a client can compare them: every field of the answers but the wording of errors. */
function comparable({ results, error, status }: Answer) {
  return error === undefined ? { results, status } : { sqlState: error.sqlState, status }
}

/** Line by line, each a message of its own, on both: every answer must be that of stock Postgres. */
export async function sameDialogue(test: Test, pair: Pair, lines: string): Promise<void> {
  for (const line of lines.trim().split('\n')) {
    const sql = line.trim()
    const stock = await send(pair.stock, sql)
    const proxy = await send(pair.proxy, sql)
    if (isDeepStrictEqual(comparable(stock), comparable(proxy))) test.pass(sql)
    else
      test.same(
        { ...comparable(proxy), error: proxy.error },
        { ...comparable(stock), error: stock.error },
        sql,
      )
  }
}

/** `EXTENDED 7, x: SELECT …` goes by the extended protocol, with parameters. */
function send(client: RawClient, line: string): Promise<Answer> {
  const match = /^EXTENDED ?([^:]*): (.*)$/.exec(line)
  if (match === null) return client.simple(line)
  const [, list = '', sql = ''] = match
  const parameters = list === '' ? [] : list.split(',').map((value) => value.trim())
  return client.extended(sql, parameters, 'text')
}
