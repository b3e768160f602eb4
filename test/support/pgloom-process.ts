import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { projectPath } from './project.ts'
import type { Teardown } from './stock-postgres.ts'
import { until } from './until.ts'

/** A cold start takes seconds on a quiet machine; tests share two cores with much else. */
const START_DEADLINE_MS = 300_000
const STOP_DEADLINE_MS = 180_000
const KEPT_LOG_LINES = 5000
const READY = /^pgloom is ready at (postgres:\/\/\S+)/m
const HTTP_ADDRESS = /http:\/\/[^\s"/]+/

export type PgloomOptions = {
  /** Arguments after `main.js`, for instance `['dev', '--workers', '2']`. */
  readonly args: readonly string[]
  /** The process is expected to end by itself: don't wait for the ready line. */
  readonly expectExit?: boolean
}

/** One `pgloom` process of a test: its address, its log, and the ways to end it. */
export class PgloomProcess {
  readonly child: ChildProcess
  readonly log: string[] = []
  readonly exited: Promise<number | undefined>
  /** As `exited`, but when all that it and its children have said is here: for whoever looks at what it said. */
  readonly closed: Promise<number | undefined>
  #url = ''
  #httpUrl: string | undefined
  #output = ''
  #ended = false

  private constructor(args: readonly string[]) {
    // tap's own loader must not count as a part of the product under test.
    const env = { ...process.env, NODE_OPTIONS: '' }
    this.child = spawn(process.execPath, [projectPath('dist/lib/main.js'), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('exit', (code) => {
        this.#ended = true
        resolve(code ?? undefined)
      })
    })
    this.closed = new Promise((resolve) => {
      this.child.once('close', (code) => resolve(code ?? undefined))
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    if (this.child.stderr !== null) {
      createInterface({ input: this.child.stderr }).on('line', (line) => {
        this.#httpUrl ??= HTTP_ADDRESS.exec(line)?.[0]
        this.log.push(line)
        if (this.log.length > KEPT_LOG_LINES) this.log.shift()
      })
    }
  }

  static async start(options: PgloomOptions): Promise<PgloomProcess> {
    const started = new PgloomProcess(options.args)
    if (options.expectExit === true) return started
    try {
      await until(
        'the ready line',
        START_DEADLINE_MS,
        async () => started.#isReady() || started.#ended,
      )
    } catch (error) {
      await started.kill()
      throw new Error(`pgloom did not become ready: ${started.tail()}`, { cause: error })
    }
    if (!started.#isReady()) throw new Error(`pgloom ended before it was ready: ${started.tail()}`)
    return started
  }

  #isReady(): boolean {
    this.#url = READY.exec(this.#output)?.[1] ?? ''
    return this.#url !== ''
  }

  /** Where clients connect. */
  get url(): string {
    return this.#url
  }

  get port(): number {
    return Number(new URL(this.#url).port)
  }

  /** Where /metrics is, as the log says. */
  get httpUrl(): string | undefined {
    return this.#httpUrl
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  get stdout(): string {
    return this.#output
  }

  tail(): string {
    return `${this.#output}\n${this.log.slice(-30).join('\n')}`
  }

  /** kill -9. Servers of an embedded cluster live on, as after a crash. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }

  /** SIGTERM; gives the exit code. */
  async stop(): Promise<number | undefined> {
    if (this.#ended) return await this.exited
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_DEADLINE_MS)
    const code = await this.exited
    clearTimeout(timer)
    return code
  }
}

/** A `pgloom dev` cluster in a folder of its own, removed with everything that runs in it. */
export class DevCluster {
  readonly data: string
  readonly workers: number
  readonly #extra: readonly string[]
  #process: PgloomProcess | undefined

  private constructor(workers: number, extra: readonly string[]) {
    this.data = mkdtempSync(join(tmpdir(), 'pgloom-test-'))
    // The servers may run as another user than the test.
    chmodSync(this.data, 0o755)
    this.workers = workers
    this.#extra = extra
  }

  /** Started, and removed with the test. */
  static async start(
    t: Teardown,
    workers: number,
    extra: readonly string[] = [],
  ): Promise<DevCluster> {
    const cluster = new DevCluster(workers, extra)
    t.teardown(() => cluster.remove())
    await cluster.restart()
    return cluster
  }

  get process(): PgloomProcess {
    if (this.#process === undefined) throw new Error('the cluster is not running')
    return this.#process
  }

  get url(): string {
    return this.process.url
  }

  get args(): readonly string[] {
    const fixed = ['dev', '--port', '0', '--http-port', '0', '--data', join(this.data, 'cluster')]
    return [...fixed, '--workers', String(this.workers), ...this.#extra]
  }

  /** Starts on the same data, whether the last process was stopped, killed or never ran. */
  async restart(): Promise<PgloomProcess> {
    await this.#process?.stop()
    this.#process = await PgloomProcess.start({ args: this.args })
    return this.#process
  }

  async remove(): Promise<void> {
    try {
      await this.#process?.stop()
    } finally {
      for (const pid of serverProcesses(this.data)) endServer(pid)
      rmSync(this.data, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 })
    }
  }

  /** Pids of Postgres servers that still have a pid file below the data folder. */
  serverProcesses(): number[] {
    return serverProcesses(this.data).filter(isAlive)
  }
}

function serverProcesses(folder: string): number[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('postmaster.pid'))
    .map((file) => Number(readFileSync(join(folder, file), 'utf8').split('\n')[0]))
    .filter((pid) => pid > 1)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** SIGQUIT: an immediate shutdown, the data is removed anyway. */
function endServer(pid: number): void {
  try {
    process.kill(pid, 'SIGQUIT')
  } catch {
    // Already gone.
  }
}
