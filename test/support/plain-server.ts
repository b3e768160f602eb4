import pg from 'pg'

/**
 * A running Postgres for tests of single-server facts, as a connection URL in PGLOOM_TEST_SERVER; undefined: none,
 * and the tests that need one are skipped.
 */
export const serverUrl = process.env['PGLOOM_TEST_SERVER']

export async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
