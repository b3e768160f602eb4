/** First in, first out, O(1) without allocating per item: a ring whose size doubles when it is full. */
export class RingQueue<T> {
  #slots: (T | undefined)[]
  #head = 0
  #length = 0

  /** `initialCapacity` must be a power of two. */
  constructor(initialCapacity = 8) {
    if ((initialCapacity & (initialCapacity - 1)) !== 0 || initialCapacity < 1) {
      throw new RangeError('initialCapacity must be a power of two')
    }
    this.#slots = new Array<T | undefined>(initialCapacity).fill(undefined)
  }

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item
    this.#length++
  }

  peek(): T | undefined {
    return this.#slots[this.#head]
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#length--
    return item
  }

  /** The first that is so; O(n). */
  find(isSo: (item: T) => boolean): T | undefined {
    for (let index = 0; index < this.#length; index++) {
      const item = this.#slots[(this.#head + index) & (this.#slots.length - 1)]
      if (item !== undefined && isSo(item)) return item
    }
    return undefined
  }

  /** Removes the first occurrence; O(n). */
  remove(item: T): boolean {
    const items = this.#toArray()
    const index = items.indexOf(item)
    if (index < 0) return false
    items.splice(index, 1)
    const capacity = this.#slots.length
    this.#slots = items
    while (this.#slots.length < capacity) this.#slots.push(undefined)
    this.#head = 0
    this.#length--
    return true
  }

  #grow(): void {
    const capacity = this.#slots.length * 2
    const slots: (T | undefined)[] = this.#toArray()
    while (slots.length < capacity) slots.push(undefined)
    this.#slots = slots
    this.#head = 0
  }

  #toArray(): (T | undefined)[] {
    const items: (T | undefined)[] = []
    for (let i = 0; i < this.#length; i++) {
      items.push(this.#slots[(this.#head + i) & (this.#slots.length - 1)])
    }
    return items
  }
}
