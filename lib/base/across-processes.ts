import { RouterError } from './errors.ts'
import { SqlState } from './sqlstate.ts'

/** What survives JSON; a key whose value is undefined gets lost on the way. */
export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json }

export type Answerer = (argument: Json) => Json | Promise<Json>

export type ProcessAnswer = { readonly processNumber: number; readonly answer: Json }

export type ProcessAnswers = {
  /** In order of the processes' numbers. */
  readonly answers: readonly ProcessAnswer[]
  /** Numbers of those that did not answer in time: whoever shows a sum must say that they are missing. */
  readonly silent: readonly number[]
}

export type AskOptions = {
  /** Who hasn't answered by then is silent; undefined: it is waited for, as long as it lives. */
  readonly timeoutMs?: number
}

/** The processes that share a port: whoever shows or commands them all asks here, and each answers for itself. */
export interface AcrossProcesses {
  /** 1, 2, ...; a process that replaces a dead one has its number. */
  readonly processNumber: number
  /** What this process answers to `topic`: one answerer a topic, set before clients are served. */
  answer(topic: string, answerer: Answerer): void
  /**
   * Asks all processes, this one included. Rejects when one of them failed. One that dies meanwhile is neither among the
   * answers nor silent.
   */
  ask(topic: string, argument: Json, options?: AskOptions): Promise<ProcessAnswers>
}

/** The answerers of one process. */
export class Answerers {
  readonly #answerers = new Map<string, Answerer>()

  set(topic: string, answerer: Answerer): void {
    this.#answerers.set(topic, answerer)
  }

  async run(topic: string, argument: Json): Promise<Json> {
    const answerer = this.#answerers.get(topic)
    if (answerer !== undefined) return await answerer(argument)
    throw new RouterError(SqlState.internalError, `no process answers to ${topic}`)
  }
}

/** A proxy of one process, which has only itself to ask. */
export class AloneInProcess implements AcrossProcesses {
  readonly processNumber = 1
  readonly #answerers = new Answerers()

  answer(topic: string, answerer: Answerer): void {
    this.#answerers.set(topic, answerer)
  }

  async ask(topic: string, argument: Json): Promise<ProcessAnswers> {
    const answer = await this.#answerers.run(topic, argument)
    return { answers: [{ processNumber: this.processNumber, answer }], silent: [] }
  }
}
