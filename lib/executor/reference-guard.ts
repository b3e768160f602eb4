import type { BackendConnection } from '../backend/backend-connection.ts'
import { query } from './node-client.ts'

/** The guard of reference tables lets writes pass for the statements of `work` only: each copy must get them all. */
export async function withReferenceWrites<T>(
  connection: BackendConnection,
  work: () => Promise<T>,
): Promise<T> {
  await query(connection, 'SET LOCAL pgloom.reference_write = on')
  const result = await work()
  // after an error the transaction (or its savepoint) is rolled back, and the setting with it
  await query(connection, 'SET LOCAL pgloom.reference_write = off')
  return result
}
