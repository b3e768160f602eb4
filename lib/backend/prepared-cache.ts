import { LruMap } from '../base/lru-map.ts'
import type { FrameWriter } from '../wire/frame-writer.ts'
import { writeClose, writeParse } from '../wire/frontend-messages.ts'
import type { Settings } from './session-state.ts'

/** What a client SETs all the time and what no literal is read by. */
const WITHOUT_INFLUENCE: ReadonlySet<string> = new Set([
  'application_name',
  'client_min_messages',
  'extra_float_digits',
  'idle_in_transaction_session_timeout',
  'lock_timeout',
  'statement_timeout',
])

export type Preparation = {
  /** For forget(). */
  readonly key: string
  readonly name: string
  /** A Parse was written: a ParseComplete will come, after `closes` CloseCompletes. */
  readonly isNew: boolean
  readonly closes: number
}

/**
 * The named statements that one server connection holds, least recently used out first. Names are never used
 * twice on a connection, so a Close that was skipped after an error leaves a leftover, never a wrong statement.
 * Parse reads literals by the settings of its moment (DateStyle, TimeZone …): sessions with other settings don't share it.
 */
export class PreparedCache {
  readonly #names: LruMap<string, string>
  readonly #room: number
  readonly #evicted: string[] = []
  #counter = 0

  /** It holds one statement at least. */
  constructor(capacity: number, takesPointReads = true) {
    this.#room = takesPointReads ? capacity : 0
    this.#names = new LruMap(Math.max(1, capacity), (_key, name) => this.#evicted.push(name))
  }

  get size(): number {
    return this.#names.size
  }

  /** Statements may be kept that no client has prepared. */
  get takesPointReads(): boolean {
    return this.#room > 0
  }

  /** For a point read: what clients have prepared themselves is not dropped for one. */
  get hasRoom(): boolean {
    return this.#names.size < this.#room
  }

  /** Writes what is needed for the statement to be there. After an error in the same request: forget() it if isNew. */
  prepare(
    out: FrameWriter,
    text: Buffer | string,
    types: readonly number[],
    settings: Settings,
  ): Preparation {
    const key = preparedKey(text, types, settings)
    const known = this.#names.get(key)
    if (known !== undefined) return { key, name: known, isNew: false, closes: 0 }
    return this.add(out, key, text, types)
  }

  /** The name of the statement with this key, if it is there. */
  find(key: string): string | undefined {
    return this.#names.get(key)
  }

  /** Writes a statement that isn't there yet. */
  add(out: FrameWriter, key: string, text: Buffer | string, types: readonly number[]): Preparation {
    const name = `pgloom_${++this.#counter}`
    this.#names.set(key, name)
    const closes = this.#evicted.length
    for (const old of this.#evicted) writeClose(out, { kind: 'statement', name: old })
    this.#evicted.length = 0
    writeParse(out, { name, text, parameterTypes: types })
    return { key, name, isNew: true, closes }
  }

  forget(key: string): void {
    this.#names.delete(key)
  }

  /** As forget(), for what the server may have nevertheless: it is closed there some time. */
  drop(key: string): void {
    const name = this.#names.peek(key)
    if (name === undefined) return
    this.#names.delete(key)
    this.#evicted.push(name)
  }

  /** After DISCARD ALL or DEALLOCATE ALL. */
  clear(): void {
    this.#names.clear()
    this.#evicted.length = 0
  }
}

/** Of a statement that is parsed under these settings. */
export function preparedKey(
  text: Buffer | string,
  types: readonly number[],
  settings: Settings,
): string {
  // latin1 is one to one on bytes, and the cheapest
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return `${types.join()}:${settingsFingerprint(settings)}:${bytes.toString('latin1')}`
}

const fingerprints = new WeakMap<Settings, string>()

/** Equal for settings that read literals alike. */
export function settingsFingerprint(settings: Settings): string {
  const known = fingerprints.get(settings)
  if (known !== undefined) return known
  const relevant = [...settings].filter(([name]) => !WITHOUT_INFLUENCE.has(name)).sort()
  const made = relevant.length === 0 ? '' : JSON.stringify(relevant)
  fingerprints.set(settings, made)
  return made
}
