/** Mulberry32: the same numbers for the same seed, on every machine. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Other numbers for every index of a seed, whatever was drawn before. */
  static of(seed: number, index: number): Random {
    const mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35)
    const random = new Random(mixed ^ (mixed >>> 15))
    random.below(2)
    return random
  }

  /** 0 … limit - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)]
    if (choices.length === 0) throw new Error('nothing to pick from')
    return chosen as T
  }

  pickAny<T>(choices: readonly T[]): T | undefined {
    return choices.length === 0 ? undefined : this.pick(choices)
  }

  /** One of the makers' results: only that one is made. */
  make<T>(makers: readonly (() => T)[]): T {
    return this.pick(makers)()
  }
}
