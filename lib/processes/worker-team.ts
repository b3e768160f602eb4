import type { Log } from '../base/log.ts'
import type { DrainOptions } from '../session/listener.ts'
import { RestartPolicy } from './restart-policy.ts'
import { WorkerProcess, type WorkerStart } from './worker-process.ts'

export type TeamOptions = {
  readonly processes: number
  /** The module that a worker runs. */
  readonly entry: string
  /** Asked at each start, so that a restarted worker gets what is in force. */
  readonly startOf: (processNumber: number, isLeader: boolean) => WorkerStart
  readonly log: Log
}

export type TeamListener = {
  /** Its handlers are to be set before it runs. */
  started(worker: WorkerProcess): void
  ready(worker: WorkerProcess): void
  /** Whatever it held is free. */
  gone(worker: WorkerProcess): void
}

/** A worker that doesn't end by itself gets so much longer than its clients. */
const EXIT_LIMIT_MS = 10_000
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Keeps the workers running: one that dies is started again under its number, and the rest don't notice. The one with the
 * lowest number that is ready leads.
 */
export class WorkerTeam {
  /** Rejects when restarting has become pointless. */
  readonly failed: Promise<never>
  readonly #options: TeamOptions
  readonly #listener: TeamListener
  readonly #policy: RestartPolicy
  readonly #workers = new Map<number, WorkerProcess>()
  readonly #restarts = new Map<number, NodeJS.Timeout>()
  #leader: WorkerProcess | undefined
  #isStopping = false
  #isRunning = false
  #restartCount = 0
  #fail: (error: Error) => void = () => undefined

  constructor(options: TeamOptions, listener: TeamListener) {
    this.#options = options
    this.#listener = listener
    this.#policy = new RestartPolicy(options.processes)
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    // whoever waits for it hears of it; nobody may
    this.failed.catch(() => undefined)
  }

  /** In order of their numbers. */
  get workers(): readonly WorkerProcess[] {
    return [...this.#workers.values()].sort((a, b) => a.processNumber - b.processNumber)
  }

  get restartCount(): number {
    return this.#restartCount
  }

  get(processNumber: number): WorkerProcess | undefined {
    return this.#workers.get(processNumber)
  }

  /** The leader first, since it prepares what the others use. Rejects when one of them can't start. */
  async start(): Promise<void> {
    await this.#start(1)
    const others = Array.from({ length: this.#options.processes - 1 }, (_, index) => index + 2)
    await Promise.all(others.map((processNumber) => this.#start(processNumber)))
    this.#isRunning = true
  }

  /** Resolves when all have ended. */
  async stop(drain: DrainOptions): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#restarts.values()) clearTimeout(timer)
    const workers = this.workers
    for (const { channel } of workers) channel.post('drain', drain)
    const limitMs = drain.patienceMs + drain.graceMs + EXIT_LIMIT_MS
    const timer = setTimeout(() => this.killAll(), Math.min(limitMs, MAX_TIMER_MS))
    await Promise.all(workers.map((worker) => worker.exited))
    clearTimeout(timer)
  }

  killAll(): void {
    for (const worker of this.#workers.values()) worker.kill()
  }

  async #start(processNumber: number): Promise<void> {
    const isLeader = this.#leader === undefined
    const worker = new WorkerProcess(
      this.#options.entry,
      this.#options.startOf(processNumber, isLeader),
    )
    if (isLeader) this.#leader = worker
    this.#workers.set(processNumber, worker)
    this.#listener.started(worker)
    void worker.exited.then((reason) => this.#ended(worker, reason))
    await worker.ready()
    const { pid } = worker
    this.#options.log.info('a worker process is ready', { process: processNumber, pid })
    this.#listener.ready(worker)
  }

  #ended(worker: WorkerProcess, reason: string): void {
    const { processNumber, pid, failure } = worker
    this.#workers.delete(processNumber)
    this.#listener.gone(worker)
    if (worker === this.#leader) this.#pickLeader()
    if (this.#isStopping || !this.#isRunning) return
    const { log } = this.#options
    log.error('a worker process ended; it is started again', {
      process: processNumber,
      pid,
      reason,
      failure,
    })
    this.#scheduleRestart(worker, reason)
  }

  #scheduleRestart({ processNumber, failure }: WorkerProcess, reason: string): void {
    const ending = failure === undefined ? 'crash' : 'failed start'
    const delayMs = this.#policy.restartDelayMs(processNumber, ending)
    if (delayMs === undefined) {
      const message = `worker processes crash again and again, the last one with ${reason}; see the log`
      this.#fail(new Error(message))
      return
    }
    this.#restartCount++
    const restart = () => {
      this.#restarts.delete(processNumber)
      // its end says why
      this.#start(processNumber).catch(() => undefined)
    }
    this.#restarts.set(processNumber, setTimeout(restart, delayMs))
  }

  #pickLeader(): void {
    this.#leader = this.workers.find(({ state }) => state === 'ready')
    this.#leader?.channel.post('lead', null)
  }
}
