import pg from 'pg'
import type { Test } from 'tap'

/**
 * A running Postgres for tests of single-server facts, as a connection URL in PGLOOM_TEST_SERVER (a role that may
 * create databases and roles); undefined: none, and the tests that need one are skipped.
 */
export const serverUrl = process.env['PGLOOM_TEST_SERVER']

/** That one and two more, for tests of commands over several nodes; comma separated in PGLOOM_TEST_SERVERS. */
export const workerUrls = (process.env['PGLOOM_TEST_SERVERS'] ?? '')
  .split(',')
  .filter((url) => url !== '')

export async function withClient<T>(
  work: (client: pg.Client) => Promise<T>,
  url = serverUrl,
): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

let databases = 0

/** The URL of an empty database of its own, dropped when the test ends. */
export async function createTestDatabase(t: Test): Promise<string> {
  const name = `pgloom_test_${process.pid}_${++databases}`
  await withClient((client) => client.query(`CREATE DATABASE ${name} TEMPLATE template0`))
  t.teardown(() => withClient((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`)))
  const url = new URL(serverUrl ?? '')
  url.pathname = `/${name}`
  return url.href
}
