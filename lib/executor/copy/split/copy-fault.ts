/** What Postgres would say of the data, on the line after those read so far. */
export class CopyFault extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}
