import type { BackendConnection } from '../../backend/backend-connection.ts'
import { query } from '../node-client.ts'

/**
 * The guard of reference tables lets writes pass for the statements of `work` only: each copy must get them all. On the
 * coordinator it also checks that `nodeCount`, the nodes of the catalog in use, is all there are (40001 if not).
 */
export async function withReferenceWrites<T>(
  connection: BackendConnection,
  work: () => Promise<T>,
  nodeCount: number,
): Promise<T> {
  await query(connection, `SET LOCAL pgloom.reference_write = ${nodeCount}`)
  const result = await work()
  // after an error the transaction (or its savepoint) is rolled back, and the setting with it
  await query(connection, 'SET LOCAL pgloom.reference_write = off')
  return result
}
