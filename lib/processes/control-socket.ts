import { renameSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Log } from '../base/log.ts'
import type { CancelKey } from '../session/client/cancel-keys.ts'
import { descriptorOf, type HeldSocket } from '../session/client/listening-ports.ts'
import { startSending } from './courier.ts'

export type ControlSocketOptions = {
  readonly path: string
  readonly held: () => readonly HeldSocket[]
  readonly cancel: (key: CancelKey) => void
  readonly log: Log
}

const COURIER_LIMIT_MS = 60_000
const CANCEL_LINE = /^cancel (\d{1,10}) ([0-9a-f]{2,512})$/

/**
 * Where another process asks for our listening sockets. It gets them, and we go on; when it says that it serves, we are
 * taken over. Afterwards it passes on cancel requests for our clients. Whoever can connect is the same user: see
 * runtime-directory.ts.
 */
export class ControlSocket {
  /** Resolves when another process serves in our place. */
  readonly taken: Promise<void>
  readonly #options: ControlSocketOptions
  readonly #server: Server
  #resolveTaken: () => void = () => undefined
  #isBusy = false

  private constructor(options: ControlSocketOptions) {
    this.#options = options
    this.taken = new Promise((resolve) => {
      this.#resolveTaken = resolve
    })
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#handOver(socket))
    this.#server.unref()
  }

  /** Replaces that of a process that is gone, or that we take over. */
  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const control = new ControlSocket(options)
    const temporary = `${options.path}.${process.pid}`
    rmSync(temporary, { force: true })
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject)
      control.#server.listen(temporary, resolve)
    })
    renameSync(temporary, options.path)
    return control
  }

  /** Leaves a path without a listener, which the next process replaces. */
  close(): void {
    this.#server.close()
  }

  #handOver(socket: Socket): void {
    const { log, held } = this.#options
    // the other end may go at any time: we serve on
    socket.on('error', () => undefined)
    if (this.#isBusy) {
      socket.destroy()
      return
    }
    this.#isBusy = true
    socket.once('close', () => {
      this.#isBusy = false
    })
    log.info('another process asks to take over')
    const courier = startSending(descriptorOf(socket), held())
    const timer = setTimeout(() => courier.kill('SIGKILL'), COURIER_LIMIT_MS)
    courier.once('error', () => socket.destroy())
    courier.once('exit', (code) => {
      clearTimeout(timer)
      if (code === 0) this.#listenTo(socket)
      else {
        log.error('the listening sockets could not be handed over')
        socket.destroy()
      }
    })
  }

  #listenTo(socket: Socket): void {
    createInterface({ input: socket }).on('line', (line) => {
      if (line === 'serving') this.#resolveTaken()
      const [, processId, secret] = CANCEL_LINE.exec(line) ?? []
      if (processId === undefined || secret === undefined) return
      this.#options.cancel({
        processId: Number(processId),
        secretKey: Buffer.from(secret, 'hex'),
      })
    })
    socket.resume()
  }
}
