/** A file of rules or names that can't be used. One line a fault: file:line: what is wrong. */
export class AuthFileError extends Error {
  override readonly name = 'AuthFileError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}
