import { RouterError } from '../../base/errors.ts'
import type { SessionTransaction } from './transaction.ts'
import { failedTransaction } from './transaction-errors.ts'

/** In the block at hand, or in one of its own that `begin` opens. */
export async function atomically<T>(
  transaction: SessionTransaction,
  begin: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!transaction.beginImplicit(begin)) return await work()
  try {
    const result = await work()
    if (await transaction.commit()) return result
    throw failedTransaction()
  } catch (error) {
    const shown = error instanceof RouterError ? transaction.trueError(error) : error
    if (transaction.isInBlock) await transaction.rollback()
    throw shown
  }
}
