import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../base/log.ts'
import { EMBEDDED_HOST, freePort, isPortFree } from './free-port.ts'
import { ensureNodeDirectory, lastPort, writeSettings } from './node-directory.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { readPostmasterFile, stopLeftover } from './postmaster-file.ts'
import { serverEnvironment } from './run-command.ts'
import { runAs, type ServerAccount } from './server-account.ts'
import type { Watchdog } from './watchdog.ts'

const START_MS = 60_000
const POLL_MS = 15
const STOP_MS = 20_000
const START_ATTEMPTS = 5
const MAX_LOG_BYTES = 16 * 1024 * 1024

/** What of a failed start passes: someone took the port, or backends of a killed postmaster are still ending. */
const PASSING = /could not create any TCP\/IP sockets|pre-existing shared memory block/

export type NodeSurroundings = {
  readonly binaries: PostgresBinaries
  readonly account: ServerAccount | undefined
  readonly watchdog: Watchdog
  readonly log: Log
}

/** One Postgres server of our own: our child process, on a port of the loopback interface. */
export class EmbeddedNode {
  readonly host = EMBEDDED_HOST
  readonly dataDirectory: string
  readonly #surroundings: NodeSurroundings
  #port = 0
  #child: ChildProcess | undefined
  #isStopping = false

  constructor(dataDirectory: string, surroundings: NodeSurroundings) {
    this.dataDirectory = dataDirectory
    this.#surroundings = surroundings
  }

  /** May change with each start. */
  get port(): number {
    return this.#port
  }

  /** 0 while it doesn't run. */
  get postmasterPid(): number {
    return this.#child?.pid ?? 0
  }

  get logFile(): string {
    return `${this.dataDirectory}.log`
  }

  /** Returns when it accepts connections. Makes the data directory if need be, and ends what an earlier run left. */
  async start(): Promise<void> {
    const { binaries, account, log } = this.#surroundings
    await ensureNodeDirectory(this.dataDirectory, binaries, account)
    const leftover = await stopLeftover(this.dataDirectory)
    if (leftover !== 'none') {
      log.warn('cleaned up after an earlier run', { dataDirectory: this.dataDirectory, leftover })
    }
    for (let attempt = 1; ; attempt++) {
      const failure = await this.#tryStart()
      if (failure === undefined) return
      if (attempt === START_ATTEMPTS || !PASSING.test(failure)) {
        throw new Error(`Postgres in ${this.dataDirectory} did not start: ${failure}`)
      }
      await delay(200 * attempt)
    }
  }

  /** Fast shutdown: sessions are ended, data are checkpointed. Also right when it has ended by itself. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#end('SIGINT')
  }

  /** For tests of failures: as if the machine had lost power. */
  async kill(): Promise<void> {
    this.#isStopping = true
    await this.#end('SIGQUIT')
  }

  async #tryStart(): Promise<string | undefined> {
    const { account } = this.#surroundings
    const kept = lastPort(this.dataDirectory)
    const mayKeep = kept !== undefined && (await isPortFree(this.host, kept))
    this.#port = mayKeep ? kept : await freePort(this.host)
    writeSettings(this.dataDirectory, this.#port, account)
    const logStart = this.#rotateLog()
    this.#spawn()
    if (await this.#untilReady()) return undefined
    await this.#end('SIGQUIT')
    const said = readFileSync(this.logFile).subarray(logStart).toString('utf8').trim()
    return said === '' ? `it ended without a word; its log is ${this.logFile}` : said
  }

  #spawn(): void {
    const { binaries, account, watchdog, log } = this.#surroundings
    const output = openSync(this.logFile, 'a', 0o640)
    const child = spawn(join(binaries.directory, 'postgres'), ['-D', this.dataDirectory], {
      ...runAs(account),
      cwd: '/',
      env: serverEnvironment(),
      // A session of its own: a terminal's Ctrl-C is for us, and we stop the servers after our clients.
      detached: true,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    this.#isStopping = false
    this.#child = child
    const pid = child.pid
    if (pid !== undefined) watchdog.watch(pid)
    child.once('error', () => this.#ended(child))
    child.once('exit', (code, signal) => {
      if (pid !== undefined) watchdog.forget(pid)
      if (!this.#isStopping) {
        log.error('a Postgres server ended', { dataDirectory: this.dataDirectory, code, signal })
      }
      this.#ended(child)
    })
    child.unref()
  }

  #ended(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined
  }

  async #untilReady(): Promise<boolean> {
    const deadline = Date.now() + START_MS
    while (this.#child !== undefined && Date.now() < deadline) {
      const file = readPostmasterFile(this.dataDirectory)
      if (file?.isReady === true && file.pid === this.#child.pid) return true
      await delay(POLL_MS)
    }
    return false
  }

  async #end(first: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    for (const signal of [first, 'SIGQUIT', 'SIGKILL'] as const) {
      child.kill(signal)
      const deadline = Date.now() + STOP_MS
      while (Date.now() < deadline) {
        if (this.#child !== child) return
        await delay(POLL_MS)
      }
    }
  }

  /** Returns the length of the log, so that what comes after it is this start's. */
  #rotateLog(): number {
    const size = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0
    if (size <= MAX_LOG_BYTES) return size
    rmSync(`${this.logFile}.1`, { force: true })
    renameSync(this.logFile, `${this.logFile}.1`)
    return 0
  }
}
