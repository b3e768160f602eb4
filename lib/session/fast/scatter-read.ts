import { isScatterRead } from '../../planner/parameter-forms.ts'
import type { Tree } from '../../planner/tree.ts'
import type { LexResult } from '../../sql/lexer.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'
import type { BindGroup } from './bind-group.ts'
import { areSimple, parameterized, parameterTypes, writeRun } from './literal-parameters.ts'

/** A shape that is met so rarely is not worth prepared statements. */
const FIRST_USES = 5
/** What takes longer gains nothing, and a plan for any value may be a bad one for some. */
const QUICK_MS = 50
/** So many in a row: the first ones prepare, and one may be the machine's fault. */
const MAX_SLOW_RUNS = 16

/** Of the run at hand. */
const messages = new FrameWriter()

/**
 * A simple client's SELECT over several shards, with its literals as parameters: planned once, and kept prepared by the servers, where
 * the text would be planned by us and then by every shard, each time. See planner/parameter-forms.ts for which. One for each
 * shape, shared by all sessions.
 */
export class ScatterRead {
  readonly text: Buffer
  readonly types: readonly number[]
  /** As if a client had prepared it; undefined: nobody has asked yet what it gives. */
  statement: PreparedStatement | undefined
  #uses = 0
  #slowRuns = 0
  #isGivenUp = false
  #isPassed = false

  /** undefined: the shape is none. */
  static of(statement: Tree, text: Buffer, literals: LexResult): ScatterRead | undefined {
    const types = parameterTypes(literals)
    if (types === undefined || !isScatterRead(statement, literals.count)) return undefined
    return new ScatterRead(parameterized(text, literals), types)
  }

  private constructor(text: Buffer, types: readonly number[]) {
    this.text = text
    this.types = types
  }

  /** Called once for each run on the ordinary way. false: it is to run as it is. */
  isDue(): boolean {
    if (this.#isGivenUp || this.#isPassed || this.#uses < FIRST_USES) {
      this.#uses++
      this.#isPassed = false
      return false
    }
    return true
  }

  /** The messages that run it with the literals of `chunk`, read into `group`; valid until the next run(). undefined: not with these. */
  run(chunk: Buffer, literals: LexResult, group: BindGroup): Buffer | undefined {
    if (this.#isPassed || !areSimple(chunk, literals)) return undefined
    messages.reset()
    const bindEnd = writeRun(messages, '', chunk, literals)
    const { buffer, length } = messages
    return group.read(buffer, 0, bindEnd, length) ? buffer : undefined
  }

  /** Of a run that went well. */
  took(durationMs: number): void {
    this.#slowRuns = durationMs > QUICK_MS ? this.#slowRuns + 1 : 0
    if (this.#slowRuns >= MAX_SLOW_RUNS) this.giveUp()
  }

  /** The text itself is told more by its error. */
  passOnce(): void {
    this.#isPassed = true
  }

  giveUp(): void {
    this.#isGivenUp = true
    this.statement = undefined
  }
}
