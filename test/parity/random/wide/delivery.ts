import { serialize } from 'pg-protocol'
import type { Answer, RawClient, Result } from '../../../support/raw-client.ts'
import type { Random } from '../random.ts'
import { KINDS } from './kinds.ts'
import type { Value } from './literals.ts'
import { insert, makeRow, type Schema, type Table } from './schema.ts'
import type { Statement } from './statements.ts'

/** How a statement is brought to a server, and what is done there before. */
export type Delivery = {
  readonly way:
    | 'simple'
    | 'text'
    | 'binary'
    | 'portal'
    | 'prepared'
    | 'execute'
    | 'cursor'
    | 'scroll'
    | 'copy'
    | 'into'
  readonly format: 'text' | 'binary'
  /** Of the parameters, once for each execution. */
  readonly values: readonly (readonly Value[])[]
  /** Run before it in a transaction that is rolled back. */
  readonly writes: readonly string[]
}

export function chooseDelivery(statement: Statement, schema: Schema, random: Random): Delivery {
  const { literals, freedoms } = statement
  const isText = freedoms.some((freedom) => freedom !== 'none') || random.chance(50)
  const format = isText ? 'text' : 'binary'
  const writes = random.chance(14) ? chooseWrites(schema, random) : []
  const own = [literals.values]
  if (literals.values.length > 0) {
    if (random.chance(35)) {
      const values = [...own, literals.otherValues(), literals.otherValues()]
      return { way: 'prepared', format, values, writes }
    }
    return { way: format, format, values: own, writes }
  }
  const way = random.pick<Delivery['way']>([
    'simple',
    'simple',
    'simple',
    'simple',
    'text',
    'binary',
    'portal',
    'execute',
    'cursor',
    // back and forth goes only what has one order
    ...(statement.comparison.kind === 'rows' ? (['scroll'] as const) : []),
    ...(statement.freedoms.every((freedom) => freedom === 'none')
      ? (['copy', 'into'] as const)
      : []),
  ])
  return {
    way: way === 'binary' && isText ? 'text' : way,
    format: way === 'binary' && !isText ? 'binary' : 'text',
    values: own,
    writes,
  }
}

export async function deliver(
  client: RawClient,
  statement: Statement,
  delivery: Delivery,
): Promise<Answer> {
  if (delivery.writes.length === 0) return await send(client, statement, delivery)
  await client.simple('BEGIN')
  try {
    for (const sql of delivery.writes) {
      const { error } = await client.simple(sql)
      if (error !== undefined) return { results: [], error, status: 'E' }
    }
    return await send(client, statement, delivery)
  } finally {
    await client.simple('ROLLBACK')
    if (delivery.way === 'execute') await client.simple('DEALLOCATE ALL')
  }
}

async function send(
  client: RawClient,
  { sql, literals, freedoms }: Statement,
  { way, format, values }: Delivery,
): Promise<Answer> {
  const { types } = literals
  switch (way) {
    case 'simple':
      return await client.simple(sql)
    case 'text':
    case 'binary':
      return await client.extended(sql, values[0] ?? [], format, types)
    case 'prepared':
    case 'portal': {
      const limits = way === 'portal' ? [2, 0] : [0]
      const runs = values.flatMap((list) => [
        serialize.bind({ statement: 's', values: [...list], binary: format === 'binary' }),
        serialize.describe({ type: 'P', name: '' }),
        ...limits.map((rows) => serialize.execute({ portal: '', rows })),
      ])
      const parse = serialize.parse({ name: 's', text: sql, types })
      const close = serialize.close({ type: 'S', name: 's' })
      const answer = await client.exchange([close, parse, ...runs], format)
      return way === 'portal' ? asOne(answer) : answer
    }
    case 'execute':
      return await inTurn(
        client,
        [`PREPARE p AS ${sql}`, 'EXECUTE p', 'EXECUTE p'],
        'DEALLOCATE ALL',
      )
    case 'cursor':
      return await readCursor(client, `CURSOR FOR ${sql}`, ['FETCH 2 FROM c', 'MOVE 0 FROM c'])
    case 'scroll':
      return await readCursor(client, `SCROLL CURSOR FOR ${sql}`, SCROLLS)
    case 'copy':
      return await client.simple(`COPY (${sql}) TO STDOUT`)
    case 'into':
      return await readTable(client, sql, freedoms.length)
  }
}

/** The answers of several statements as one, up to the first error. */
async function inTurn(
  client: RawClient,
  statements: readonly string[],
  last: string,
): Promise<Answer> {
  const results: Result[] = []
  for (const sql of statements) {
    const answer = await client.simple(sql)
    if (answer.error !== undefined) {
      await client.simple(last)
      return answer
    }
    results.push(...answer.results.filter(({ fields }) => fields !== undefined))
  }
  const { status } = await client.simple(last)
  return { results, error: undefined, status }
}

const SCROLLS = [
  'FETCH 3 FROM c',
  'FETCH BACKWARD 2 FROM c',
  'FETCH ABSOLUTE 4 FROM c',
  'FETCH LAST FROM c',
  'FETCH RELATIVE -2 FROM c',
  'FETCH ABSOLUTE -1 FROM c',
  'MOVE ABSOLUTE 1 FROM c',
]

/** Its rows, fetched in parts, as one result. */
async function readCursor(
  client: RawClient,
  declared: string,
  moves: readonly string[],
): Promise<Answer> {
  const isInside = (await client.simple('')).status === 'T'
  if (!isInside) await client.simple('BEGIN')
  const all = [`DECLARE c ${declared}`, ...moves, 'FETCH FORWARD ALL FROM c']
  const answer = await inTurn(client, all, isInside ? 'CLOSE c' : 'COMMIT')
  if (answer.error !== undefined) return answer
  return asOne(answer)
}

/** Its rows, by way of a table that is made of them. */
async function readTable(client: RawClient, sql: string, width: number): Promise<Answer> {
  const names = Array.from({ length: width }, (_, at) => `c${at + 1}`)
  const all = [`CREATE TEMPORARY TABLE made (${names.join(', ')}) AS ${sql}`, 'TABLE made']
  return await inTurn(client, all, 'DROP TABLE IF EXISTS made')
}

function asOne(answer: Answer): Answer {
  const rows = answer.results.flatMap((result) => result.rows)
  const tag = answer.error === undefined ? String(rows.length) : undefined
  return { ...answer, results: [{ fields: answer.results[0]?.fields, rows, tag }] }
}

/** Changes of a transaction that reads after them. Ids stay unique. */
function chooseWrites(schema: Schema, random: Random): readonly string[] {
  return Array.from({ length: 1 + random.below(3) }, (_, at) => {
    const table = random.pick(schema.tables)
    return random.make([
      () => chooseUpdate(table, random),
      () => `DELETE FROM ${table.name} WHERE id % 5 = ${random.below(5)}`,
      () =>
        insert(
          table,
          [0, 1].map((row) => makeRow(random, table.columns, 1000 + at * 10 + row)),
        ),
    ])
  })
}

function chooseUpdate({ name, columns }: Table, random: Random): string {
  const free = columns.filter(
    (column) => !column.isKey && column.name !== 'id' && column.isGenerated !== true,
  )
  const column = random.pick(free)
  const value = KINDS[column.kind].literal(random.pick(KINDS[column.kind].values))
  return `UPDATE ${name} SET ${column.name} = ${value} WHERE id % 3 = ${random.below(3)}`
}
