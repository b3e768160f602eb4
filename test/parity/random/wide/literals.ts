import type { Random } from '../random.ts'
import { KINDS, type Kind } from './kinds.ts'

export type Value = string | null

/** Constants of a statement, some of them as parameters. */
export class Literals {
  readonly #random: Random
  readonly #share: number
  readonly #kinds: Kind[] = []
  readonly values: Value[] = []
  /** As Parse declares them; 0: not at all. */
  readonly types: number[] = []

  /** `share`: percent of the constants that are parameters. */
  constructor(random: Random, share: number) {
    this.#random = random
    this.#share = share
  }

  constant(kind: Kind): string {
    const random = this.#random
    const value = random.chance(6) ? null : random.pick(KINDS[kind].values)
    if (random.chance(this.#share)) return this.#parameter(kind, value)
    if (value === null) return `NULL::${KINDS[kind].parameterTypes[0]?.[0]}`
    const text = KINDS[kind].literal(value)
    // an unknown literal is none of the types that polymorphic functions take
    return kind === 'text' && random.chance(60) ? `${text}::text` : text
  }

  /** Never NULL, never a parameter. */
  plain(kind: Kind): string {
    const text = KINDS[kind].literal(this.#random.pick(KINDS[kind].values))
    return kind === 'text' ? `${text}::text` : text
  }

  #parameter(kind: Kind, value: Value): string {
    const random = this.#random
    const [type, oid] = random.pick(KINDS[kind].parameterTypes)
    this.#kinds.push(kind)
    this.values.push(value)
    const number = this.values.length
    if (random.chance(45)) {
      this.types.push(oid)
      return random.chance(25) ? `$${number}::${type}` : `$${number}`
    }
    this.types.push(0)
    return random.chance(80) ? `$${number}::${type}` : `$${number}`
  }

  /** Other values for the same parameters. */
  otherValues(): readonly Value[] {
    const random = this.#random
    return this.#kinds.map((kind) => (random.chance(8) ? null : random.pick(KINDS[kind].values)))
  }
}
