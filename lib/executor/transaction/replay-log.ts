import { RouterError } from '../../base/errors.ts'

type Entry = { readonly text: string; readonly savepoint: string | undefined }

const SAVEPOINT_DOES_NOT_EXIST = '3B001'

/**
 * What a node that joins the transaction late must be told, in order: BEGIN, then SET TRANSACTION and the savepoints
 * that are in force. Savepoints nest, a name may occur twice, the innermost wins: as in Postgres.
 */
export class ReplayLog {
  readonly #entries: Entry[] = []

  constructor(beginText: string) {
    this.#entries.push({ text: beginText, savepoint: undefined })
  }

  /** All of it as one simple query. A client's own text may end in a comment. */
  get text(): string {
    const [first] = this.#entries
    if (first !== undefined && this.isOneCommand) return first.text
    return this.#entries.map((entry) => entry.text).join('\n; ')
  }

  /** There is nothing after BEGIN. */
  get isOneCommand(): boolean {
    return this.#entries.length === 1
  }

  /** Begins another block like this one: AND CHAIN keeps all but an imported snapshot. */
  get characteristics(): string {
    const kept = this.#entries.filter(
      ({ text, savepoint }) => savepoint === undefined && !/\bsnapshot\b/i.test(text),
    )
    return kept.map(({ text }) => text).join('\n; ')
  }

  /** A SET TRANSACTION that succeeded. */
  add(text: string): void {
    this.#entries.push({ text, savepoint: undefined })
  }

  savepoint(name: string): void {
    this.#entries.push({ text: `SAVEPOINT ${quoteIdentifier(name)}`, savepoint: name })
  }

  /** RELEASE: the savepoint and those inside it are forgotten. Throws 3B001. */
  release(name: string): void {
    const index = this.#find(name)
    const kept = this.#entries.slice(index).filter((entry) => entry.savepoint === undefined)
    this.#entries.splice(index, this.#entries.length - index, ...kept)
  }

  /** ROLLBACK TO: everything after the savepoint is forgotten, itself stays. Throws 3B001. */
  rollbackTo(name: string): void {
    this.#entries.length = this.#find(name) + 1
  }

  get hasSavepoints(): boolean {
    return this.#entries.some((entry) => entry.savepoint !== undefined)
  }

  #find(name: string): number {
    const index = this.#entries.findLastIndex((entry) => entry.savepoint === name)
    if (index === -1) {
      throw new RouterError(SAVEPOINT_DOES_NOT_EXIST, `savepoint "${name}" does not exist`)
    }
    return index
  }
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
