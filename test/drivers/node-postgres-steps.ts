import pg from 'pg'
import { type Line, type Step, stepParameters } from './steps.ts'

/** node-postgres: simple protocol without parameters, extended with them, named where a step repeats. */
export async function runNodePostgres(url: string, steps: readonly Step[]): Promise<Line[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const lines: Line[] = []
  try {
    for (const [index, step] of steps.entries()) {
      for (let run = 0; run < (step.repeat ?? 1); run++) {
        const name = step.repeat === undefined ? {} : { name: `step ${index}` }
        const values = step.parameters === undefined ? {} : { values: stepParameters(step) }
        const text = step.sql
        lines.push(await answer(client.query({ text, rowMode: 'array', ...name, ...values })))
      }
    }
    const scripts = [
      'SELECT 1; SELECT count(*) FROM people; SELECT 2',
      'SELECT 1; SELECT 1/0; SELECT 3',
    ]
    for (const script of scripts)
      lines.push(await answer(client.query({ text: script, rowMode: 'array' })))
    lines.push(...(await together(client)))
  } finally {
    await client.end()
  }
  return lines
}

/** Many queries queued at once: the driver sends each as soon as the one before is answered. */
async function together(client: pg.Client): Promise<Line[]> {
  const text = 'SELECT id, name FROM people WHERE tenant = $1 ORDER BY id'
  const queries = Array.from({ length: 20 }, (_, tenant) =>
    answer(client.query({ text, values: [tenant % 10], rowMode: 'array' })),
  )
  return await Promise.all(queries)
}

async function answer(query: Promise<pg.QueryArrayResult | pg.QueryArrayResult[]>): Promise<Line> {
  try {
    const result = await query
    return [result].flat().map(({ command, rowCount, fields, rows }) => ({
      command,
      rowCount,
      fields: fields.map(({ name, dataTypeID, dataTypeModifier }) => [
        name,
        dataTypeID,
        dataTypeModifier,
      ]),
      rows,
    }))
  } catch (error) {
    return { sqlState: error instanceof pg.DatabaseError ? error.code : String(error) }
  }
}
