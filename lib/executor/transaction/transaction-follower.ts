/**
 * What changes with the client's transaction. begin() only for a block, implicit ones too; commit() and rollback() end
 * it. release() and rollbackTo() only of a savepoint that exists.
 */
export interface TransactionFollower {
  /** Before COMMIT is sent; throws where the transaction must not commit. */
  prepareCommit?(): Promise<void>
  /** prepareCommit() is there, and has something to do. */
  readonly isPending?: boolean
  begin(): void
  commit(): void
  rollback(): void
  savepoint(name: string): void
  release(name: string): void
  rollbackTo(name: string): void
}

/** All of them as one. */
export class TransactionFollowers implements TransactionFollower {
  readonly #followers: readonly TransactionFollower[]

  constructor(followers: readonly TransactionFollower[]) {
    this.#followers = followers
  }

  begin(): void {
    for (const follower of this.#followers) follower.begin()
  }

  /** prepareCommit() may be left out. */
  get isQuiet(): boolean {
    return !this.#followers.some((follower) => follower.isPending === true)
  }

  end(isCommitted: boolean): void {
    if (isCommitted) this.commit()
    else this.rollback()
  }

  async prepareCommit(): Promise<void> {
    for (const follower of this.#followers) await follower.prepareCommit?.()
  }

  commit(): void {
    for (const follower of this.#followers) follower.commit()
  }

  rollback(): void {
    for (const follower of this.#followers) follower.rollback()
  }

  savepoint(name: string): void {
    for (const follower of this.#followers) follower.savepoint(name)
  }

  release(name: string): void {
    for (const follower of this.#followers) follower.release(name)
  }

  rollbackTo(name: string): void {
    for (const follower of this.#followers) follower.rollbackTo(name)
  }
}
