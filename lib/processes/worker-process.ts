import { type ChildProcess, fork } from 'node:child_process'
import type { Json } from '../base/across-processes.ts'
import { ClientNames } from './client-names.ts'
import { MessageChannel } from './message-channel.ts'
import type { ToPrimary, ToWorker } from './messages.ts'

export type WorkerStart = ToWorker['start']

export type WorkerState = 'starting' | 'ready' | 'gone'

/** One worker as its primary sees it, from fork to exit. */
export class WorkerProcess {
  readonly processNumber: number
  readonly channel: MessageChannel<ToWorker, ToPrimary>
  /** Why it ended, for the log. Never rejects. */
  readonly exited: Promise<string>
  readonly #child: ChildProcess
  #state: WorkerState = 'starting'
  #failure: string | undefined
  /** Sockets it was given and has not closed yet. */
  sockets = 0
  /** Slots that its clients hold. */
  readonly clients = new ClientNames()

  constructor(entry: string, start: WorkerStart) {
    this.processNumber = start.processNumber
    // what a worker prints are log lines, on standard error as ours
    this.#child = fork(entry, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.channel = new MessageChannel(this.#child)
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => this.#ended(resolve, error.message))
      this.#child.on('exit', (code, signal) => this.#ended(resolve, signal ?? `exit code ${code}`))
    })
    this.channel.on('failed', ({ message }) => {
      this.#failure = message
    })
    this.channel.post('start', start)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get state(): WorkerState {
    return this.#state
  }

  /** What it said of a start that came to nothing. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Resolves when it serves clients; rejects when it ends before. */
  async ready(): Promise<void> {
    const isReady = new Promise<string | undefined>((resolve) => {
      this.channel.on('ready', () => resolve(undefined))
    })
    const reason = await Promise.race([isReady, this.exited])
    if (reason === undefined) {
      if (this.#state === 'starting') this.#state = 'ready'
      return
    }
    throw new Error(this.#failure ?? `process ${this.processNumber} ended at its start: ${reason}`)
  }

  ask(topic: string, argument: Json): Promise<unknown> {
    return this.channel.request('ask', { topic, argument })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #ended(resolve: (reason: string) => void, reason: string): void {
    this.#state = 'gone'
    resolve(reason)
  }
}
