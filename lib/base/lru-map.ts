/**
 * A map of at most `capacity` entries. Looking up or setting an entry makes it the youngest; setting one too
 * many drops the oldest, which `onEvict` is told. Order is that of the underlying Map: no list of our own.
 */
export class LruMap<K, V> {
  readonly capacity: number
  readonly #entries = new Map<K, V>()
  /** Where asking again changes nothing. */
  #youngest: K | undefined
  readonly #onEvict: ((key: K, value: V) => void) | undefined

  constructor(capacity: number, onEvict?: (key: K, value: V) => void) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError('capacity must be >= 1')
    this.capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined || key === this.#youngest) return value
    this.#entries.delete(key)
    this.#entries.set(key, value)
    this.#youngest = key
    return value
  }

  /** Like get(), but leaves the entry's age alone. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    this.#youngest = key
    if (this.#entries.size > this.capacity) this.#evictOldest()
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Oldest first. */
  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  #evictOldest(): void {
    const oldest = this.#entries.entries().next()
    if (oldest.done === true) return
    const [key, value] = oldest.value
    this.#entries.delete(key)
    this.#onEvict?.(key, value)
  }
}
