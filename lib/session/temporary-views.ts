import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Catalog, ClusterView } from '../catalog/catalog.ts'
import { READING_SQL, type ViewDocument, viewOf, viewsSql } from '../catalog/view-document.ts'
import { query } from '../executor/node-client.ts'
import type { SessionTransaction } from '../executor/transaction/transaction.ts'
import type { TransactionFollower } from '../executor/transaction/transaction-follower.ts'
import type { ViewUse } from '../planner/plan.ts'
import { TransactionStatus } from '../wire/message-codes.ts'

/** What the session calls its own temporary schema, whatever its number. */
const SCHEMA = 'pg_temp'

const READ = `${READING_SQL}
SELECT (${viewsSql("c.relpersistence = 't' AND c.relnamespace = pg_my_temp_schema()")})`

/** The temporary views over distributed tables of one session, on its connection to the coordinator. */
export class TemporaryViews implements TransactionFollower {
  #views: ReadonlyMap<string, ClusterView> = new Map()
  #isStale = false
  /** The transaction at hand has changed some. */
  #hasChanged = false

  /** undefined: none. */
  get all(): ReadonlyMap<string, ClusterView> | undefined {
    return this.#views.size === 0 ? undefined : this.#views
  }

  /** freshen() must come before the next statement is planned. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Those of them that a statement was planned with are still the same. */
  holds(uses: readonly ViewUse[]): boolean {
    return uses.every(({ view }) => view.schema !== SCHEMA || this.#views.get(view.name) === view)
  }

  /** After a statement that creates, alters or drops something. */
  noteStatement(text: Buffer): void {
    if (this.#views.size > 0 || /\bview\b/i.test(text.toString('latin1'))) this.noteChange()
  }

  noteChange(): void {
    this.#isStale = true
    this.#hasChanged = true
  }

  clear(): void {
    this.#views = new Map()
    this.#isStale = false
  }

  async freshen(
    transaction: SessionTransaction,
    { isInstalled }: Catalog,
    coordinator: () => Promise<BackendConnection>,
  ): Promise<void> {
    if (!this.#isStale || transaction.status === TransactionStatus.failed) return
    if (!isInstalled) this.clear()
    if (!isInstalled) return
    const isIdle = transaction.status === TransactionStatus.idle
    this.#isStale = false
    const known = this.#views
    const views = await read(await coordinator(), isIdle)
    if (isIdle) {
      this.#hasChanged = false
      transaction.endStatement(false)
    }
    this.#views = new Map(
      views.map((view) => {
        const before = known.get(view.name)
        return [view.name, before?.state === view.state && before.oid === view.oid ? before : view]
      }),
    )
  }

  begin(): void {
    this.#hasChanged = false
  }

  commit(): void {
    // what is seen stays the same
  }

  rollback(): void {
    this.#isStale ||= this.#hasChanged
  }

  savepoint(): void {
    // what is seen stays the same
  }

  release(): void {
    // what is seen stays the same
  }

  rollbackTo(): void {
    this.#isStale ||= this.#hasChanged
  }
}

/** All names in the definitions qualified, but for temporary ones. With settings of our own, of which nothing stays. */
async function read(
  connection: BackendConnection,
  isIdle: boolean,
): Promise<readonly ClusterView[]> {
  const asked = `SET LOCAL jit = off; SET LOCAL search_path = pg_catalog; ${READ}`
  const text = isIdle
    ? `BEGIN; ${asked}; COMMIT`
    : `SAVEPOINT pgloom_views; ${asked}; ROLLBACK TO SAVEPOINT pgloom_views; RELEASE SAVEPOINT pgloom_views`
  const { rows } = await query(connection, text)
  const documents: readonly ViewDocument[] = JSON.parse(rows[0]?.[0] ?? 'null') ?? []
  return documents.map((document) => viewOf({ ...document, schema: SCHEMA }))
}
