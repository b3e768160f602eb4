import type { LineMap } from './line-map.ts'
import type { RowBatch } from './row-batch.ts'

/** Tells which line of the client's data a line is that a shard's server names in an error. Lives as long as its COPY. */
export class ShardLines {
  readonly #table: string
  /** What the COPY begins with, known before its first row. */
  readonly #head: () => { readonly lines: number }
  #maps: LineMap[] = []
  /** See RowBatch. */
  #firstShift = 0

  constructor(table: string, head: () => { readonly lines: number }) {
    this.#table = table
    this.#head = head
  }

  add({ lineMap, firstShift }: RowBatch): void {
    if (this.#maps.length === 0 && this.#head().lines === 0) this.#firstShift = firstShift
    this.#maps.push(lineMap)
  }

  /** The COPY has ended well. */
  forget(): void {
    for (const map of this.#maps) map.release()
    this.#maps = []
  }

  /** CONTEXT of an error or notice: `COPY table, line 7, column c: "x"`, after the contexts of functions, if any. */
  mend(where: string): string {
    const start = `COPY ${this.#table}, `
    const at = where.startsWith(start) ? 0 : where.indexOf(`\n${start}`) + 1
    if (at === 0 && !where.startsWith(start)) return where
    const [, word = '', line] = /^(\D*)(\d+)/.exec(where.slice(at + start.length)) ?? []
    if (line === undefined) return where
    const before = where.slice(0, at + start.length) + word
    const after = where.slice(before.length + line.length)
    return `${before}${this.#clientLine(Number(line))}${after}`
  }

  #clientLine(line: number): number {
    const { lines } = this.#head()
    if (line <= lines) return line
    const wanted = line - this.#firstShift
    let before = lines
    let last = lines
    for (const map of this.#maps) {
      const found = map.find(before, wanted)
      if (found >= 0) return found
      before = -found
      last = map.lastLine
    }
    return last + Math.max(0, wanted - before)
  }
}
