import { isUtf8 } from 'node:buffer'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ParseTree } from './ast.ts'
import { readTrees } from './json-array-queries.ts'
import {
  bytesAt,
  copyIn,
  createLibPgQuery,
  int32At,
  type LibPgQuery,
} from './libpg-query-module.ts'
import { nestingDepth } from './nesting-depth.ts'

export type ParserLimits = {
  /** Longer texts are refused with 54000. */
  readonly maxTextBytes: number
  /** Deeper trees (levels of the JSON; an operator is two) are refused with 54001, so that walkers may recurse. */
  readonly maxDepth: number
  /** An instance whose memory has grown beyond this is replaced: WASM memory never shrinks. */
  readonly maxMemoryBytes: number
  /** So many times in `crashWindowMs` one caller may make us replace an instance; then its long texts are refused. */
  readonly maxCrashes: number
  readonly crashWindowMs: number
}

const DEFAULT_LIMITS: ParserLimits = {
  // half a second in which no other client is served
  maxTextBytes: 8 * 1024 * 1024,
  maxDepth: 4000,
  maxMemoryBytes: 256 * 1024 * 1024,
  maxCrashes: 5,
  crashWindowMs: 60_000,
}

/** No text shorter than this can be nested deeply enough to exhaust a stack. */
const HARMLESS_BYTES = 2048
const MAX_CRASH_KEYS = 1000

type Crashes = { count: number; readonly sinceMs: number }

/**
 * Postgres' own grammar (libpg-query) behind a guard. Anything thrown that isn't a parse error has left the instance in
 * doubt: it is discarded, the statement answered with 54001, and a spare takes over.
 * Synchronous, on the event loop's thread: 10 µs for a small SELECT, 5 ms for 1000 rows of VALUES.
 */
export class ParserHost {
  readonly #limits: ParserLimits
  readonly #crashes = new Map<string, Crashes>()
  #library: LibPgQuery | undefined
  #spare: LibPgQuery | undefined
  #isMakingSpare = false

  private constructor(library: LibPgQuery, limits: ParserLimits) {
    this.#limits = limits
    this.#library = library
  }

  /** Resolves when the first instance is usable; its spare follows by itself. */
  static async create(limits: Partial<ParserLimits> = {}): Promise<ParserHost> {
    const host = new ParserHost(await createLibPgQuery(), { ...DEFAULT_LIMITS, ...limits })
    host.#makeSpare()
    return host
  }

  /**
   * The trees of all statements of `text` (UTF-8, not NUL-terminated). Locations in them are byte offsets. A blank text
   * has no statements. Throws RouterError: 42601 with a position, 08P01, 22021, 54000, 54001.
   * `callerKey` names whom a crash of the parser is counted against, for instance a session or a user.
   */
  parse(text: Uint8Array, callerKey = ''): ParseTree {
    return this.#read(text, callerKey, parseToJson, readTrees)
  }

  /** The body of a CREATE FUNCTION … LANGUAGE plpgsql, as libpg_query tells it. Throws as parse() does, and where there is none. */
  parsePlpgsql(text: Uint8Array, callerKey = ''): unknown {
    return this.#read<unknown>(text, callerKey, plpgsqlToJson, JSON.parse)
  }

  #read<T>(
    text: Uint8Array,
    callerKey: string,
    toJson: (library: LibPgQuery, text: Uint8Array) => Buffer,
    read: (json: string) => T,
  ): T {
    this.#checkText(text, callerKey)
    const library = this.#takeLibrary()
    try {
      const json = toJson(library, text)
      const isDeep = text.length >= HARMLESS_BYTES && nestingDepth(json) > this.#limits.maxDepth
      if (isDeep) throw tooComplex()
      const tree = read(json.toString())
      if (library.HEAPU8.length > this.#limits.maxMemoryBytes) this.#replace()
      return tree
    } catch (error) {
      if (error instanceof RouterError) throw error
      this.#replace()
      this.#countCrash(callerKey)
      throw tooComplex(error)
    }
  }

  #checkText(text: Uint8Array, callerKey: string): void {
    if (text.length > this.#limits.maxTextBytes) {
      throw new RouterError(SqlState.programLimitExceeded, 'statement text is too long', {
        detail: `The text has ${text.length} bytes, the limit is ${this.#limits.maxTextBytes}.`,
        hint: 'Send large data by COPY or as parameters.',
      })
    }
    if (text.indexOf(0) >= 0) {
      throw new RouterError(SqlState.protocolViolation, 'statement text contains a zero byte')
    }
    if (!isUtf8(text)) throw invalidEncoding(text)
    if (text.length >= HARMLESS_BYTES && this.#isThrottled(callerKey)) {
      throw new RouterError(SqlState.statementTooComplex, 'too many over-complex statements', {
        hint: 'Wait a minute, and split the statement into smaller ones.',
      })
    }
  }

  #takeLibrary(): LibPgQuery {
    this.#library ??= this.#takeSpare()
    if (this.#library !== undefined) return this.#library
    throw new RouterError(SqlState.cannotConnectNow, 'the SQL parser is being restarted', {
      hint: 'Send the statement again.',
    })
  }

  #takeSpare(): LibPgQuery | undefined {
    const spare = this.#spare
    this.#spare = undefined
    this.#makeSpare()
    return spare
  }

  #replace(): void {
    this.#library = this.#takeSpare()
  }

  #makeSpare(): void {
    if (this.#isMakingSpare || this.#spare !== undefined) return
    this.#isMakingSpare = true
    createLibPgQuery().then(
      (library) => {
        this.#isMakingSpare = false
        this.#spare = library
      },
      // out of memory, most likely: the next statement that needs a spare tries again
      () => {
        this.#isMakingSpare = false
      },
    )
  }

  #countCrash(key: string): void {
    const now = Date.now()
    const crashes = this.#crashes.get(key)
    if (crashes !== undefined && now - crashes.sinceMs < this.#limits.crashWindowMs) {
      crashes.count += 1
      return
    }
    if (this.#crashes.size >= MAX_CRASH_KEYS) {
      const [oldest] = this.#crashes.keys()
      if (oldest !== undefined) this.#crashes.delete(oldest)
    }
    this.#crashes.delete(key)
    this.#crashes.set(key, { count: 1, sinceMs: now })
  }

  #isThrottled(key: string): boolean {
    const crashes = this.#crashes.get(key)
    if (crashes === undefined || crashes.count < this.#limits.maxCrashes) return false
    return Date.now() - crashes.sinceMs < this.#limits.crashWindowMs
  }
}

/** The JSON aliases the instance's memory: valid until its next call. */
function parseToJson(library: LibPgQuery, text: Uint8Array): Buffer {
  const input = copyIn(library, text)
  const result = library._wasm_parse_query_raw(input)
  library._free(input)
  if (result === 0) throw new RangeError('out of memory')
  // struct PgQueryParseResult { char *parse_tree; char *stderr_buffer; PgQueryError *error; }
  const error = int32At(library, result + 8)
  try {
    if (error !== 0) throw syntaxError(library, error)
    // freeing only marks the block as free, so a copy is needed before it
    return Buffer.from(bytesAt(library, int32At(library, result)))
  } finally {
    library._wasm_free_parse_result(result)
  }
}

/** A JSON object, or the text of an error. */
function plpgsqlToJson(library: LibPgQuery, text: Uint8Array): Buffer {
  const input = copyIn(library, text)
  const result = library._wasm_parse_plpgsql(input)
  library._free(input)
  if (result === 0) throw new RangeError('out of memory')
  try {
    const answer = Buffer.from(bytesAt(library, result))
    if (answer[0] === 0x7b) return answer
    throw new RouterError(SqlState.syntaxError, answer.toString())
  } finally {
    library._wasm_free_string(result)
  }
}

/** struct PgQueryError { char *message; char *funcname; char *filename; int lineno; int cursorpos; char *context; } */
function syntaxError(library: LibPgQuery, address: number): RouterError {
  const message = bytesAt(library, int32At(library, address)).toString()
  const position = int32At(library, address + 16)
  const details = position > 0 ? { position } : {}
  return new RouterError(stateOfMessage(message), message, details)
}

/** The library gives no SQLSTATE; these are the raw parser's few errors that aren't 42601. */
const OTHER_STATES: readonly (readonly [RegExp, string])[] = [
  [/not (yet )?(implemented|supported)/, SqlState.featureNotSupported],
  [/^invalid Unicode escape value|^invalid Unicode surrogate pair/, SqlState.syntaxError],
  [/^invalid Unicode escape|^unsafe use of \\' in/, '22025'],
  [/^invalid byte sequence for encoding/, SqlState.characterNotInRepertoire],
  [/^parameter number too large/, SqlState.programLimitExceeded],
  [/^precision for type float/, SqlState.invalidParameterValue],
]

function stateOfMessage(message: string): string {
  return OTHER_STATES.find(([pattern]) => pattern.test(message))?.[1] ?? SqlState.syntaxError
}

function tooComplex(cause?: unknown): RouterError {
  return new RouterError(SqlState.statementTooComplex, 'stack depth limit exceeded', {
    hint: 'Split the statement into smaller ones, or write long chains as IN (…) or ANY (array).',
    cause,
  })
}

function invalidEncoding(text: Uint8Array): RouterError {
  const decoded = Buffer.from(text.buffer, text.byteOffset, text.length).toString()
  const offset = Buffer.byteLength(decoded.slice(0, decoded.indexOf('\uFFFD')))
  const byte = (text[offset] ?? 0).toString(16).padStart(2, '0')
  return new RouterError(
    SqlState.characterNotInRepertoire,
    `invalid byte sequence for encoding "UTF8": 0x${byte}`,
  )
}
