import { randomBytes } from 'node:crypto'
import { type LexResult, lexStatement } from './lexer.ts'

/**
 * A shape is a text with holes for its literals and comments:
 *
 *   text      SELECT * FROM t WHERE a = 42 AND b = 'x'
 *   segments  |--------------------------|  |-------| |  (bytes that must be equal)
 *   types                                5          1    (of the holes)
 */
type Entry<P> = {
  readonly hash: number
  readonly segments: Buffer
  readonly lengths: Int32Array
  readonly types: Uint8Array
  readonly value: P
  /** Looked up since the clock's hand last passed. */
  isHot: boolean
  next: Entry<P> | undefined
}

const BUCKETS = 4096
const MAX_CHAIN = 8
/** Shorter segments are compared in place: a native call costs more. */
const NATIVE_COMPARE_BYTES = 160

export type ShapeCacheLimits = {
  readonly maxEntries: number
  /** Longer texts aren't kept. */
  readonly maxTextBytes: number
  readonly maxSpans: number
}

const DEFAULT_LIMITS: ShapeCacheLimits = {
  maxEntries: 4096,
  maxTextBytes: 64 * 1024,
  maxSpans: 4096,
}

/**
 * Values (plans) by the shape of a text. The hash only finds candidates; equality is decided byte by byte, so an unlucky or
 * malicious hash costs time, bounded by the chain, and never gives a wrong answer. A lookup allocates nothing.
 * Store only values that hold for all literals, and only texts of one statement.
 */
export class ShapeCache<P> {
  readonly #limits: ShapeCacheLimits
  readonly #seed = randomBytes(4).readInt32LE()
  readonly #buckets: (Entry<P> | undefined)[] = new Array(BUCKETS).fill(undefined)
  /** All entries; the hand of the clock goes round when room is needed. */
  readonly #ring: Entry<P>[] = []
  #hand = 0

  constructor(limits: Partial<ShapeCacheLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
  }

  get size(): number {
    return this.#ring.length
  }

  /** Lexes for this cache: its hashes are seeded, so that nobody can make them collide on purpose. See lexStatement. */
  lex(text: Uint8Array, start: number, end: number, into: LexResult): boolean {
    return lexStatement(text, start, end, into, this.#seed)
  }

  /** The value of text[start, end), which has been lexed into `lexed` by lex(). */
  lookup(text: Buffer, start: number, end: number, lexed: LexResult): P | undefined {
    const { hash } = lexed
    let entry = this.#buckets[hash & (BUCKETS - 1)]
    while (entry !== undefined) {
      if (entry.hash === hash && isSameShape(entry, text, start, end, lexed)) {
        entry.isHot = true
        return entry.value
      }
      entry = entry.next
    }
    return undefined
  }

  /** Copies the segments; `text` and `lexed` stay the caller's. */
  store(text: Buffer, start: number, end: number, lexed: LexResult, value: P): void {
    const { maxEntries, maxTextBytes, maxSpans } = this.#limits
    if (end - start > maxTextBytes || lexed.count > maxSpans || lexed.isScript) return
    const known = this.#find(text, start, end, lexed)
    if (known !== undefined) this.#evict(known)
    else if (this.#ring.length >= maxEntries) this.#evict(this.#coldEntry())
    const bucket = lexed.hash & (BUCKETS - 1)
    const last = lastOf(this.#buckets[bucket])
    if (last.length >= MAX_CHAIN && last.entry !== undefined) this.#evict(last.entry)
    const entry = createEntry(text, start, end, lexed, value, this.#buckets[bucket])
    this.#buckets[bucket] = entry
    this.#ring.push(entry)
  }

  clear(): void {
    this.#buckets.fill(undefined)
    this.#ring.length = 0
    this.#hand = 0
  }

  #find(text: Buffer, start: number, end: number, lexed: LexResult): Entry<P> | undefined {
    let entry = this.#buckets[lexed.hash & (BUCKETS - 1)]
    while (entry !== undefined) {
      if (entry.hash === lexed.hash && isSameShape(entry, text, start, end, lexed)) return entry
      entry = entry.next
    }
    return undefined
  }

  /** Second chance: whoever was looked up since the last round is passed over once. */
  #coldEntry(): Entry<P> {
    for (;;) {
      if (this.#hand >= this.#ring.length) this.#hand = 0
      const entry = this.#ring[this.#hand] as Entry<P>
      if (!entry.isHot) return entry
      entry.isHot = false
      this.#hand += 1
    }
  }

  #evict(entry: Entry<P>): void {
    const at = this.#ring[this.#hand] === entry ? this.#hand : this.#ring.indexOf(entry)
    const moved = this.#ring.pop()
    if (moved !== undefined && moved !== entry) this.#ring[at] = moved
    const bucket = entry.hash & (BUCKETS - 1)
    const first = this.#buckets[bucket]
    if (first === entry) {
      this.#buckets[bucket] = entry.next
      return
    }
    let before = first
    while (before !== undefined && before.next !== entry) before = before.next
    if (before !== undefined) before.next = entry.next
  }
}

function lastOf<P>(first: Entry<P> | undefined): {
  readonly entry: Entry<P> | undefined
  readonly length: number
} {
  let length = first === undefined ? 0 : 1
  let entry = first
  while (entry?.next !== undefined) {
    entry = entry.next
    length += 1
  }
  return { entry, length }
}

function createEntry<P>(
  text: Buffer,
  start: number,
  end: number,
  lexed: LexResult,
  value: P,
  next: Entry<P> | undefined,
): Entry<P> {
  const segments: Buffer[] = []
  let from = start
  for (let i = 0; i < lexed.count; i += 1) {
    segments.push(text.subarray(from, lexed.starts[i]))
    from = lexed.ends[i] as number
  }
  segments.push(text.subarray(from, end))
  return {
    hash: lexed.hash,
    segments: Buffer.concat(segments),
    lengths: Int32Array.from(segments, (segment) => segment.length),
    types: lexed.types.slice(0, lexed.count),
    value,
    isHot: false,
    next,
  }
}

function isSameShape<P>(
  entry: Entry<P>,
  text: Buffer,
  start: number,
  end: number,
  lexed: LexResult,
): boolean {
  const { segments, lengths, types } = entry
  const { count, starts, ends } = lexed
  if (types.length !== count) return false
  let from = start
  let at = 0
  for (let i = 0; i <= count; i += 1) {
    const to = i === count ? end : (starts[i] as number)
    const length = to - from
    if (length !== lengths[i] || !isSameRun(segments, at, text, from, length)) return false
    if (i < count && types[i] !== lexed.types[i]) return false
    at += length
    from = ends[i] as number
  }
  return true
}

function isSameRun(a: Buffer, aStart: number, b: Buffer, bStart: number, length: number): boolean {
  if (length >= NATIVE_COMPARE_BYTES) {
    return a.compare(b, bStart, bStart + length, aStart, aStart + length) === 0
  }
  for (let k = 0; k < length; k += 1) if (a[aStart + k] !== b[bStart + k]) return false
  return true
}
