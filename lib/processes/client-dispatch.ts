import type { Socket } from 'node:net'
import type { WorkerProcess } from './worker-process.ts'

/** Clients that may wait while no worker runs; more are refused, as a full backlog would. */
const MAX_WAITING = 1024

/** Gives each client to the worker that has the fewest. */
export class ClientDispatch {
  readonly #workers: () => Iterable<WorkerProcess>
  readonly #waiting: Socket[] = []

  constructor(workers: () => Iterable<WorkerProcess>) {
    this.#workers = workers
  }

  /** A paused socket of which nothing has been read. */
  dispatch(socket: Socket): void {
    const worker = this.#leastBusy()
    if (worker !== undefined) {
      this.#give(socket, worker)
      return
    }
    if (this.#waiting.length >= MAX_WAITING) {
      socket.destroy()
      return
    }
    // a client that gives up meanwhile shows when its worker reads
    socket.on('error', () => undefined)
    this.#waiting.push(socket)
  }

  /** A worker has become ready. */
  serveWaiting(): void {
    for (const socket of this.#waiting.splice(0)) this.dispatch(socket)
  }

  dropWaiting(): void {
    for (const socket of this.#waiting.splice(0)) socket.destroy()
  }

  #give(socket: Socket, worker: WorkerProcess): void {
    worker.sockets++
    worker.channel.postSocket('client', null, socket, () => {
      worker.sockets--
      socket.destroy()
    })
  }

  #leastBusy(): WorkerProcess | undefined {
    let best: WorkerProcess | undefined
    for (const worker of this.#workers()) {
      if (worker.state !== 'ready') continue
      if (best === undefined || worker.sockets < best.sockets) best = worker
    }
    return best
  }
}
