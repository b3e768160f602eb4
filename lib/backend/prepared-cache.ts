import { LruMap } from '../base/lru-map.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import { writeClose, writeParse } from '../wire/frontend-messages.ts'

export type Preparation = {
  readonly name: string
  /** A Parse was written: a ParseComplete will come, after `closes` CloseCompletes. */
  readonly isNew: boolean
  readonly closes: number
}

/**
 * The named statements that one server connection holds, least recently used out first. Names are never used
 * twice on a connection, so a Close that was skipped after an error leaves a leftover, never a wrong statement.
 */
export class PreparedCache {
  readonly #names: LruMap<string, string>
  readonly #evicted: string[] = []
  #counter = 0

  constructor(capacity = 500) {
    this.#names = new LruMap(capacity, (_key, name) => this.#evicted.push(name))
  }

  get size(): number {
    return this.#names.size
  }

  /** Writes what is needed for the statement to be there. After an error in the same request: forget() it if isNew. */
  prepare(out: FrameWriter, text: Buffer | string, types: readonly number[]): Preparation {
    const key = preparedKey(text, types)
    const known = this.#names.get(key)
    if (known !== undefined) return { name: known, isNew: false, closes: 0 }
    const name = `pgloom_${++this.#counter}`
    this.#names.set(key, name)
    const closes = this.#evicted.length
    for (const old of this.#evicted) writeClose(out, { kind: 'statement', name: old })
    this.#evicted.length = 0
    writeParse(out, { name, text, parameterTypes: types })
    return { name, isNew: true, closes }
  }

  forget(text: Buffer | string, types: readonly number[]): void {
    this.#names.delete(preparedKey(text, types))
  }

  /** After DISCARD ALL or DEALLOCATE ALL. */
  clear(): void {
    this.#names.clear()
    this.#evicted.length = 0
  }
}

function preparedKey(text: Buffer | string, types: readonly number[]): string {
  // latin1 is one to one on bytes, and the cheapest
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return `${types.join()}:${bytes.toString('latin1')}`
}
