import { preparedKey } from '../../backend/prepared-cache.ts'
import type { Settings } from '../../backend/session-state.ts'
import { PositionMap } from '../../executor/relay/position-map.ts'
import { writeSpliced } from '../../executor/relay/splice-writer.ts'
import type { Splice } from '../../planner/plan.ts'
import type { LexResult } from '../../sql/lexer.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'

/** The text and key of a statement on one shard: the same for all its runs under the same settings. */
export type ServerText = {
  readonly settings: Settings
  readonly key: string
  readonly text: Buffer
  /** From the text to the client's. */
  readonly positions: PositionMap
}

/** Where it is sent. */
type Aimed = { readonly shardIndex: number | undefined; readonly splices: readonly Splice[] }

/** Sessions whose texts differ in literals keep theirs to themselves beyond so many, and long ones anyway. */
const MAX_SHARED = 4
const MAX_SHARED_BYTES = 4096

const scratch = new FrameWriter()

/**
 * What servers get of one prepared text. All sessions that prepare it share this: a hundred sessions' own on all shards would be
 * thousands of texts and keys, which no cache holds.
 */
export class ServerTexts {
  readonly #text: Buffer
  readonly #types: readonly number[]
  readonly #literals: LexResult
  /** The first unspliced, the others for a shard each. */
  readonly #known: (ServerText | undefined)[] = []

  /** Keeps all three. */
  constructor(text: Buffer, types: readonly number[], literals: LexResult) {
    this.#text = text
    this.#types = types
    this.#literals = literals
  }

  isOf(text: Buffer, types: readonly number[]): boolean {
    const own = this.#types
    if (types.length !== own.length || !own.every((oid, index) => types[index] === oid))
      return false
    return this.#text.equals(text)
  }

  get(aimed: Aimed, settings: Settings): ServerText {
    const at = aimed.shardIndex === undefined ? 0 : aimed.shardIndex + 1
    const known = this.#known[at]
    if (known?.settings === settings) return known
    const made = this.#make(aimed, settings)
    this.#known[at] = made
    return made
  }

  #make({ shardIndex, splices }: Aimed, settings: Settings): ServerText {
    const own = this.#text
    const positions = new PositionMap()
    scratch.reset()
    if (shardIndex === undefined) {
      positions.refer(own)
      scratch.bytes(own)
    } else {
      writeSpliced(scratch, own, 0, own.length, this.#literals, splices, shardIndex, positions)
      positions.share(own)
    }
    const text = Buffer.from(scratch.buffer.subarray(0, scratch.length))
    return { settings, text, key: preparedKey(text, this.#types, settings), positions }
  }
}

/** Those of one shape of statement. */
export class SharedTexts {
  readonly #texts: ServerTexts[] = []

  /** Keeps all three. */
  of(text: Buffer, types: readonly number[], literals: LexResult): ServerTexts {
    const known = this.#texts.find((one) => one.isOf(text, types))
    if (known !== undefined) return known
    const made = new ServerTexts(text, types, literals)
    const isKept = text.length <= MAX_SHARED_BYTES && this.#texts.length < MAX_SHARED
    if (isKept) this.#texts.push(made)
    return made
  }
}
