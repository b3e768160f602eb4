import postgres from 'postgres'
import { type Line, type Step, stepParameters } from './steps.ts'

/** What is read of a row list of the driver. */
type Values = Iterable<unknown> & {
  readonly command: string
  readonly count: number | null
  readonly columns: readonly { readonly name: string | number; readonly type: number }[] | undefined
}

/** postgres.js: Parse and Describe, then typed binds; pipelines on one connection; its own statement names. */
export async function runPostgresJs(url: string, steps: readonly Step[]): Promise<Line[]> {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => undefined,
    fetch_types: true,
    idle_timeout: 0,
  })
  const lines: Line[] = []
  try {
    for (const step of steps) {
      for (let run = 0; run < (step.repeat ?? 1); run++) lines.push(await runStep(sql, step))
    }
    lines.push(...(await pipelined(sql)))
    for (const extra of [inTransaction, withCursor, copied]) {
      lines.push(await extra(sql).catch(failure))
    }
  } finally {
    await sql.end({ timeout: 5 })
  }
  return lines
}

async function runStep(sql: postgres.Sql, step: Step): Promise<Line> {
  const parameters = stepParameters(step)
  return await answer(sql.unsafe(step.sql, parameters, { prepare: parameters.length > 0 }).values())
}

async function pipelined(sql: postgres.Sql): Promise<Line[]> {
  const queries = Array.from({ length: 20 }, (_, tenant) =>
    answer(
      sql`SELECT id, name, price FROM people WHERE tenant = ${tenant % 10} ORDER BY id`.values(),
    ),
  )
  return await Promise.all(queries)
}

async function inTransaction(sql: postgres.Sql): Promise<Line> {
  const seen: Line[] = []
  await sql
    .begin(async (sql) => {
      await sql`INSERT INTO notes ${sql([
        { tenant: 50, id: 1, note: 'a' },
        { tenant: 51, id: 2, note: 'b' },
      ])}`
      seen.push(await sql`SELECT * FROM notes WHERE tenant IN ${sql([50, 51])} ORDER BY tenant`)
      const undone = sql.savepoint((sql) => sql`INSERT INTO notes VALUES (50, 1, 'duplicate')`)
      await undone.catch((error: postgres.PostgresError) => seen.push(error.code))
      seen.push(await sql`SELECT count(*)::int FROM notes`)
      throw new Error('undo')
    })
    .catch((error: Error) => seen.push(error.message))
  seen.push(await sql`SELECT count(*)::int FROM notes`)
  return seen
}

async function withCursor(sql: postgres.Sql): Promise<Line> {
  const batches: Line[] = []
  const query = sql`SELECT id, name FROM people WHERE tenant = ${4} ORDER BY id`
  for await (const rows of query.cursor(7)) batches.push([...rows])
  const all = sql`SELECT id FROM people ORDER BY id`
  for await (const rows of all.cursor(90)) batches.push(rows.length)
  return batches
}

async function copied(sql: postgres.Sql): Promise<Line> {
  const chunks: Buffer[] = []
  const readable =
    await sql`COPY (SELECT code, title FROM lookup ORDER BY code) TO STDOUT`.readable()
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function answer(query: PromiseLike<Values>): Promise<Line> {
  try {
    const rows = await query
    const columns = rows.columns?.map(({ name, type }) => [name, type])
    // The driver leaves holes where a failed query before this one had sent rows.
    const filled = [...rows].filter((row) => row !== undefined)
    return { command: rows.command, count: rows.count, columns, rows: filled }
  } catch (error) {
    return failure(error)
  }
}

function failure(error: unknown): Line {
  return { sqlState: error instanceof postgres.PostgresError ? error.code : String(error) }
}
