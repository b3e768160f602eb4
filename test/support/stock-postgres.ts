import { referencePostgres } from './postgres-cluster.ts'

/** What of a tap test is needed to clean up after it. */
export type Teardown = { teardown(clean: () => void | Promise<void>): void }

/**
 * The address of one Postgres without anything of ours: what every answer of the proxy is compared with.
 * PGLOOM_TEST_STOCK names an empty database of a running server to use instead.
 */
export async function stockPostgres(t: Teardown): Promise<string> {
  const { PGLOOM_TEST_STOCK: running } = process.env
  if (running !== undefined) return running
  const { host, port } = await referencePostgres(t)
  return `postgres://app@${host}:${port}/app`
}
