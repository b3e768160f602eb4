import type { RouterError } from '../../base/errors.ts'
import type { SessionCommand } from '../../planner/plan.ts'
import {
  writeBindComplete,
  writeCommandComplete,
  writeNoData,
} from '../../wire/backend-messages.ts'
import { Frontend } from '../../wire/message-codes.ts'
import type { MessageProcessor } from '../message-processor.ts'
import type { SessionParts } from '../session-parts.ts'

const LETTER_B = 0x62
const SEMICOLON = 0x3b
const COMMIT = Buffer.from('COMMIT')
const NONE = Buffer.alloc(0)

/** The statement's text, and what its protocol answers before CommandComplete. */
export type CommandMessage = {
  readonly chunk: Buffer
  readonly start: number
  readonly end: number
  readonly protocol: 'simple' | 'extended' | 'extended with Describe'
}

/** BEGIN, COMMIT and ROLLBACK where they are what they are nearly always: carried out without a promise. */
export class BlockCommands {
  readonly #parts: SessionParts
  readonly #processor: MessageProcessor
  readonly #onEnd: (fault?: { readonly error: unknown }) => void
  readonly #onCommitted = (error: RouterError | undefined): void => this.#committed(error)
  readonly #onRolledBack = (): void => this.#rolledBack()

  /** `onEnd`: what takes() has left under way is answered, or has failed. */
  constructor(
    parts: SessionParts,
    processor: MessageProcessor,
    onEnd: (fault?: { readonly error: unknown }) => void,
  ) {
    this.#parts = parts
    this.#processor = processor
    this.#onEnd = onEnd
  }

  /** 'passed': it is MessageProcessor's, nothing was done. */
  takes(command: SessionCommand, message: CommandMessage): 'answered' | 'under way' | 'passed' {
    switch (command.kind) {
      case 'begin':
        return this.#begins(message)
      case 'commit':
        return command.chain ? 'passed' : this.#ends(true, message)
      case 'rollback':
        return command.chain ? 'passed' : this.#ends(false, message)
      default:
        return 'passed'
    }
  }

  #begins(message: CommandMessage): 'answered' | 'passed' {
    const { transaction } = this.#parts
    const { chunk, start, end } = message
    // START TRANSACTION has a tag of its own
    const isBegin = ((chunk[start] ?? 0) | 0x20) === LETTER_B
    if (!isBegin || transaction.isInBlock) return 'passed'
    try {
      transaction.begin(beginText(chunk, start, end))
    } catch {
      // said again, properly, on the ordinary way
      return 'passed'
    }
    this.#start(message)
    this.#complete('BEGIN')
    return 'answered'
  }

  #ends(commits: boolean, message: CommandMessage): 'answered' | 'under way' | 'passed' {
    const { transaction, relay, catalogs } = this.#parts
    const connection = transaction.endsOn
    if (connection === undefined) return 'passed'
    const tag = commits ? 'COMMIT' : 'ROLLBACK'
    this.#start(message)
    if (connection === 'none') {
      transaction.ended(commits, undefined)
      if (this.#processor.isSettled) {
        this.#complete(tag)
        return 'answered'
      }
      writeCommandComplete(this.#parts.output.frames, tag)
      this.#settle(undefined)
      return 'under way'
    }
    relay.begin(connection, catalogs.current())
    const { out } = connection
    const mark = out.begin(Frontend.query)
    out.cstring(tag)
    out.end(mark)
    relay.finish(commits ? this.#onCommitted : this.#onRolledBack)
    return 'under way'
  }

  #start({ protocol }: CommandMessage): void {
    const { clock, output } = this.#parts
    clock.start()
    if (protocol === 'simple') return
    writeBindComplete(output.frames)
    if (protocol === 'extended with Describe') writeNoData(output.frames)
  }

  #complete(tag: string): void {
    const { output, clock } = this.#parts
    writeCommandComplete(output.frames, tag)
    clock.done('command')
    this.#processor.answered(undefined)
    output.flush()
  }

  #committed(error: RouterError | undefined): void {
    const { transaction, relay } = this.#parts
    this.#settle(transaction.ended(relay.sink.isTag(COMMIT), error))
  }

  /** What is lost is rolled back too. */
  #rolledBack(): void {
    const { transaction, relay, output } = this.#parts
    if (relay.sink.isTag(NONE)) writeCommandComplete(output.frames, 'ROLLBACK')
    transaction.ended(false, undefined)
    this.#settle(undefined)
  }

  #settle(error: RouterError | undefined): void {
    if (this.#processor.isSettled) {
      this.#answered(error)
      return
    }
    this.#processor.settle().then(
      () => this.#answered(error),
      (fault: unknown) => this.#onEnd({ error: fault }),
    )
  }

  #answered(error: RouterError | undefined): void {
    const { output, clock } = this.#parts
    if (error === undefined) clock.done('command')
    try {
      this.#processor.answered(error)
      output.flush()
    } catch (fault) {
      this.#onEnd({ error: fault })
      return
    }
    this.#onEnd()
  }
}

/** `chunk` begins there with BEGIN. */
function beginText(chunk: Buffer, start: number, end: number): string {
  const length = chunk[end - 1] === SEMICOLON ? end - start - 1 : end - start
  if (length === 'BEGIN'.length) return 'BEGIN'
  return chunk.toString('utf8', start, end).replace(/;\s*$/, '')
}
