import type { RawClient } from '../../support/raw-client.ts'

/** One COPY … FROM STDIN with its data. */
export type CopyCase = {
  readonly name: string
  readonly table: string
  /** After the table's name, for instance `(k, t)`. */
  readonly columns?: string
  /** Within WITH ( … ), and WHERE … after it. */
  readonly options?: string
  readonly where?: string
  readonly pieces: readonly Buffer[]
  /** The client gives up. */
  readonly reason?: string
}

/** Outcome and rows, in a form that two servers can be compared by. Leaves nothing behind. */
export async function runCopy(client: RawClient, copy: CopyCase): Promise<unknown> {
  await client.run('BEGIN')
  try {
    return await outcomeOf(client, copy)
  } finally {
    await client.run('ROLLBACK')
  }
}

async function outcomeOf(client: RawClient, copy: CopyCase): Promise<unknown> {
  const { table, columns = '', options, where = '', pieces, reason } = copy
  const withOptions = options === undefined ? '' : ` WITH (${options})`
  const sql = `COPY ${table} ${columns} FROM STDIN${withOptions} ${where}`
  const { results, error, status } = await client.copyIn(sql, pieces, reason)
  if (error !== undefined) return { error, status }
  return { tag: results.at(-1)?.tag, status, rows: await rowsOf(client, table) }
}

async function rowsOf(client: RawClient, table: string): Promise<string[]> {
  const columns = table.startsWith('"By') ? '"K k", twice' : '*'
  const { results } = await client.run(`SELECT ${columns} FROM ${table}`)
  return (results[0]?.rows ?? []).map((row) => JSON.stringify(row)).sort()
}

/** The same data, cut elsewhere: nothing may depend on where messages begin. */
export function cut(data: Buffer, pick: (below: number) => number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + 1 + pick(data.length < 200 ? 7 : 4000))
    pieces.push(data.subarray(at, end))
    at = end
  }
  return pieces
}
