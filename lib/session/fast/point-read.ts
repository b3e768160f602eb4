import type { BackendConnection } from '../../backend/backend-connection.ts'
import { preparedKey, settingsFingerprint } from '../../backend/prepared-cache.ts'
import type { Settings } from '../../backend/session-state.ts'
import type { RouterError } from '../../base/errors.ts'
import { TypeOid } from '../../catalog/type-oid.ts'
import { quotedSchema } from '../../executor/relay/quoted-schema.ts'
import type { RelaySink } from '../../executor/relay/relay-sink.ts'
import { shardAt, splicePosition } from '../../executor/relay/splice-writer.ts'
import type { Splice } from '../../planner/plan.ts'
import { isPointRead } from '../../planner/point-read.ts'
import type { Tree } from '../../planner/tree.ts'
import { type LexResult, SpanType } from '../../sql/lexer.ts'
import { Frontend } from '../../wire/message-codes.ts'

/** A shape that is met so rarely is not worth a prepared statement. */
const FIRST_USES = 5
/** The server finds out what it is. */
const UNKNOWN_TYPE = 0
const QUOTE = 0x27
const BACKSLASH = 0x5c
const MAX_STRING_BYTES = 256
const PORTAL = 0x50
/** Of errors that the same statement, sent again as it is, would not tell better: lost, cancelled, out of something, waited too long. */
const FINAL_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

type Aimed = { readonly shardIndex: number | undefined; readonly splices: readonly Splice[] }
/** `reading`: of the settings by which literals are read. */
type ServerText = { readonly reading: string; readonly key: string; readonly text: Buffer }

/**
 * A Query of a simple client's that the servers get as Bind, Describe and Execute of a statement that they keep, literals as
 * parameters: parsing and planning is half of what a point read costs them. See planner/point-read.ts for which.
 * One for each shape.
 *
 * Only while no answer has had more than one row. A plan for any value may be a bad one for some values where these are
 * many times as frequent as others; what finds one row at most, finds it by a unique index or nearly.
 */
export class PointRead {
  readonly #text: Buffer
  readonly #literals: LexResult
  readonly #types: readonly number[]
  readonly #texts: (ServerText | undefined)[] = []
  #uses = 0
  #findsMany = false

  /** undefined: the shape is none. `text` and `literals` are kept. */
  static of(statement: Tree, text: Buffer, literals: LexResult): PointRead | undefined {
    const { types, count } = literals
    for (let index = 0; index < count; index++) {
      const type = types[index]
      if (type !== SpanType.integer && type !== SpanType.string) return undefined
    }
    return isPointRead(statement, count) ? new PointRead(text, literals) : undefined
  }

  private constructor(text: Buffer, literals: LexResult) {
    this.#text = text
    this.#literals = literals
    const types = literals.types.subarray(0, literals.count)
    this.#types = Array.from(types, (type) =>
      type === SpanType.integer ? TypeOid.int4 : UNKNOWN_TYPE,
    )
  }

  /** Instead of the Query. undefined: nothing was written, it is to go as it is; else what to tell of an error. */
  write(
    connection: BackendConnection,
    sink: RelaySink,
    chunk: Buffer,
    literals: LexResult,
    aimed: Aimed,
  ): string | undefined {
    if (this.#findsMany || this.#uses < FIRST_USES || !areSimple(chunk, literals)) return undefined
    const { prepared, out } = connection
    const { key, text } = this.#serverText(aimed, connection.settings.inForce)
    let name = prepared.find(key)
    // BindComplete is not for this client
    let dropped = 1
    if (name === undefined) {
      if (!prepared.hasRoom) return undefined
      const added = prepared.add(out, key, text, this.#types)
      name = added.name
      dropped += added.closes + 1
    }
    sink.expectDropped(dropped)
    const bind = out.begin(Frontend.bind)
    out.byte(0)
    out.cstring(name)
    out.int16(0)
    out.int16(literals.count)
    for (let index = 0; index < literals.count; index++) {
      const quotes = literals.types[index] === SpanType.string ? 1 : 0
      const start = (literals.starts[index] ?? 0) + quotes
      const end = (literals.ends[index] ?? 0) - quotes
      out.int32(end - start)
      out.bytes(chunk, start, end)
    }
    out.int16(0)
    out.end(bind)
    const describe = out.begin(Frontend.describe)
    out.byte(PORTAL)
    out.byte(0)
    out.end(describe)
    const execute = out.begin(Frontend.execute)
    out.byte(0)
    out.int32(0)
    out.end(execute)
    out.empty(Frontend.sync)
    return key
  }

  /** Of one of the shape, however it was sent. */
  answered(isOneRow: boolean): void {
    if (!isOneRow) this.#findsMany = true
    else if (this.#uses < FIRST_USES) this.#uses++
  }

  #serverText({ shardIndex, splices }: Aimed, settings: Settings): ServerText {
    const at = shardIndex === undefined ? 0 : shardIndex + 1
    const known = this.#texts[at]
    // clients differ in settings of no influence, such as application_name
    const reading = settingsFingerprint(settings)
    if (known?.reading === reading) return known
    const text = known?.text ?? parameterized(this.#text, this.#literals, shardIndex, splices)
    const made = { reading, text, key: preparedKey(text, this.#types, settings) }
    this.#texts[at] = made
    return made
  }
}

/** Whether the Query itself is to be sent after this error of its point read, which has answered nothing. */
export function tellsLess(error: RouterError, sink: RelaySink): boolean {
  return !sink.hasAnswered && !FINAL_CLASSES.has(error.sqlState.slice(0, 2))
}

/** What stands between the quotes is the value itself. */
function areSimple(chunk: Buffer, { types, starts, ends, count }: LexResult): boolean {
  for (let index = 0; index < count; index++) {
    if (types[index] !== SpanType.string) continue
    const end = (ends[index] ?? 0) - 1
    const start = (starts[index] ?? 0) + 1
    if (end - start > MAX_STRING_BYTES) return false
    for (let at = start; at < end; at++) {
      if (chunk[at] === QUOTE || chunk[at] === BACKSLASH) return false
    }
  }
  return true
}

/** $1, $2 … in place of the literals, the shard's schema in the splices. */
function parameterized(
  text: Buffer,
  literals: LexResult,
  shardIndex: number | undefined,
  splices: readonly Splice[],
): Buffer {
  const changes: { at: number; end: number; parts: readonly Buffer[] }[] = []
  for (let index = 0; index < literals.count; index++) {
    const [at, end] = [literals.starts[index] ?? 0, literals.ends[index] ?? 0]
    // whatever stands beside a number may stand beside a blank
    changes.push({ at, end, parts: [Buffer.from(` $${index + 1} `)] })
  }
  for (const splice of shardIndex === undefined ? [] : splices) {
    const at = splicePosition(splice, literals, 0)
    const schema = quotedSchema(shardAt(splice, shardIndex ?? 0))
    changes.push({ at, end: at + splice.length, parts: [schema, splice.suffix] })
  }
  changes.sort((a, b) => a.at - b.at)
  const pieces: Buffer[] = []
  let from = 0
  for (const { at, end, parts } of changes) {
    pieces.push(text.subarray(from, at), ...parts)
    from = end
  }
  pieces.push(text.subarray(from))
  return Buffer.concat(pieces)
}
