import type { ClientPort } from '../executor/ports.ts'
import { type FieldDescription, writeRowDescription } from '../wire/row-description.ts'
import type { ClientOutput } from './client/client-output.ts'

/** The client's side of an answer whose RowDescription we know: it leaves with the first row, so that an error before is the only answer. */
export class HeadedRows implements ClientPort {
  readonly #output: ClientOutput
  readonly #fields: readonly FieldDescription[]
  #hasAnswered = false

  constructor(output: ClientOutput, fields: readonly FieldDescription[]) {
    this.#output = output
    this.#fields = fields
  }

  get log(): { readonly sessionId: number } {
    return this.#output.log
  }

  get isCongested(): boolean {
    return this.#output.isCongested
  }

  get isFlooded(): boolean {
    return this.#output.isFlooded
  }

  write(chunk: Buffer, start: number, end: number): 'taken' | 'kept' {
    this.writeHead()
    return this.#output.write(chunk, start, end)
  }

  writeHead(): void {
    if (this.#hasAnswered) return
    this.#hasAnswered = true
    writeRowDescription(this.#output.frames, this.#fields)
  }

  whenDrained(resume: () => void): void {
    this.#output.whenDrained(resume)
  }

  copyData(): AsyncIterable<Buffer> {
    return this.#output.copyData()
  }
}
