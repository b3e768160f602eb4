type Entry<V> = { readonly value: V; isUsed: boolean }

/**
 * A map of at most `capacity` entries. Setting one too many drops, as `onEvict` is told, the oldest that hasn't been looked up
 * since it was last spared (second chance): least recently used or nearly, and a look-up changes one flag. Order is that of
 * the underlying Map: no list of our own.
 */
export class LruMap<K, V> {
  readonly capacity: number
  readonly #entries = new Map<K, Entry<V>>()
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
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.isUsed = true
    return entry.value
  }

  /** Like get(), but doesn't count as use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.capacity) this.#evictOne()
    this.#entries.set(key, { value, isUsed: false })
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Ends in the second round at the latest: the first has taken all flags away. */
  #evictOne(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key)
      if (!entry.isUsed) {
        this.#onEvict?.(key, entry.value)
        return
      }
      entry.isUsed = false
      this.#entries.set(key, entry)
    }
  }
}
