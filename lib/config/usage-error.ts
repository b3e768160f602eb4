/** The user can mend it: wrong arguments or a wrong configuration. Ends the process with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
