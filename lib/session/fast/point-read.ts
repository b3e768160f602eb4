import type { BackendConnection } from '../../backend/backend-connection.ts'
import { preparedKey, settingsFingerprint } from '../../backend/prepared-cache.ts'
import type { Settings } from '../../backend/session-state.ts'
import type { RelaySink } from '../../executor/relay/relay-sink.ts'
import { isPointRead } from '../../planner/parameter-forms.ts'
import type { Splice } from '../../planner/plan.ts'
import type { Tree } from '../../planner/tree.ts'
import type { LexResult } from '../../sql/lexer.ts'
import { areSimple, parameterized, parameterTypes, writeRun } from './literal-parameters.ts'

/** A shape that is met so rarely is not worth a prepared statement. */
const FIRST_USES = 5
type Aimed = { readonly shardIndex: number | undefined; readonly splices: readonly Splice[] }
/** `reading`: of the settings by which literals are read. */
type ServerText = { readonly reading: string; readonly key: string; readonly text: Buffer }

/**
 * A Query of a simple client's that the servers get as Bind, Describe and Execute of a statement that they keep, literals as
 * parameters: parsing and planning is half of what a point read costs them. See planner/parameter-forms.ts for which.
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
    const types = parameterTypes(literals)
    if (types === undefined || !isPointRead(statement, literals.count)) return undefined
    return new PointRead(text, literals, types)
  }

  private constructor(text: Buffer, literals: LexResult, types: readonly number[]) {
    this.#text = text
    this.#literals = literals
    this.#types = types
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
    writeRun(out, name, chunk, literals)
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
