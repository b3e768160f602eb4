import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { placementsDiffer } from '../catalog/placement-changes.ts'
import { missesShard } from '../executor/relay/error-rewriting.ts'
import type { ParticipantMarks } from '../executor/transaction/participants.ts'
import type { SessionTransaction } from '../executor/transaction/transaction.ts'
import type { ClientOutput } from './client/client-output.ts'
import type { SessionCatalog } from './session-catalog.ts'

/** Shards may move again while a statement looks for them; they don't for ever. */
const MAX_RETRIES = 2

export type PlacementRetryOptions = {
  readonly catalogs: SessionCatalog
  readonly transaction: SessionTransaction
  readonly output: ClientOutput
  signal(): AbortSignal
}

/** How things stood before a statement. */
type Start = {
  readonly catalog: Catalog
  readonly bytesWritten: number
  readonly isInBlock: boolean
  readonly marks: ParticipantMarks
}

/**
 * A server that has no shard of a name we gave it: another proxy has moved or dropped it, which we have not heard of. The statement
 * runs again if the metadata now say otherwise than before, the client has been told nothing, and all that it did can be taken back:
 * it stood alone, or was the first of its block on the nodes that it used. If it can't be taken back: 40001.
 */
export class PlacementRetry {
  readonly #options: PlacementRetryOptions

  constructor(options: PlacementRetryOptions) {
    this.#options = options
  }

  /** `work` plans anew each time. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const { catalogs, output, transaction } = this.#options
    for (let retries = 0; ; retries++) {
      const start = {
        catalog: catalogs.current(),
        bytesWritten: output.bytesWritten,
        isInBlock: transaction.isInBlock,
        marks: transaction.marks(),
      }
      try {
        return await work()
      } catch (error) {
        if (!missesShard(error) || retries === MAX_RETRIES) throw error
        await this.#recover(error, start.catalog, () => this.#takeBack(start))
      }
    }
  }

  /**
   * For a statement that was sent to this node alone, or in autocommit to some. Throws what to tell the client; else it is to be
   * carried out again. `isHeard`: the client has heard something of it.
   */
  async recover(
    error: RouterError,
    catalog: Catalog | undefined,
    nodeId: number,
    isHeard: boolean,
  ): Promise<void> {
    const { catalogs, transaction } = this.#options
    await this.#recover(error, catalog ?? catalogs.current(), async () => {
      if (isHeard) return false
      if (transaction.isInBlock) return transaction.takeBack(nodeId)
      transaction.endStatement(false)
      return true
    })
  }

  async #recover(
    error: RouterError,
    before: Catalog,
    takeBack: () => Promise<boolean>,
  ): Promise<void> {
    const { catalogs, transaction, signal } = this.#options
    if (!catalogs.isShared) throw error
    const after = await catalogs.refresh().catch(() => before)
    if (!placementsDiffer(before, after)) throw error
    const { aborted, reason } = signal()
    if (aborted) throw reason
    if (!(await takeBack())) throw moved(error)
    if (catalogs.isStale) await catalogs.freshen(transaction, signal())
  }

  async #takeBack({ bytesWritten, isInBlock, marks }: Start): Promise<boolean> {
    const { output, transaction } = this.#options
    if (output.bytesWritten !== bytesWritten) return false
    if (isInBlock) return transaction.takeBack(marks)
    if (!transaction.isInBlock) {
      transaction.endStatement(false)
      return true
    }
    // of a statement over several nodes, or of a script whose first statement failed
    if (!transaction.isImplicit) return false
    await transaction.rollback()
    return true
  }
}

function moved(cause: RouterError): RouterError {
  return new RouterError(
    SqlState.serializationFailure,
    'could not finish the statement: its shards were moved to another node meanwhile',
    { hint: 'Retry the transaction.', cause },
  )
}
