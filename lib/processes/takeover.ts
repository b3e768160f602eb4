import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { CancelKey } from '../session/client/cancel-keys.ts'
import { descriptorOf, TakenSockets } from '../session/client/listening-ports.ts'
import { type CourierMessage, startReceiving } from './courier.ts'

const COURIER_LIMIT_MS = 90_000

/** The process that runs, from the side of the one that takes over. */
export class Predecessor {
  readonly #connection: Socket

  private constructor(connection: Socket) {
    this.#connection = connection
    // it ends when its last client has left
    connection.on('error', () => undefined)
  }

  /** undefined: no process listens at `path`. */
  static async find(path: string): Promise<Predecessor | undefined> {
    const connection = connect({ path })
    // not a byte may be read here: it would be missing to the courier
    connection.pause()
    try {
      await once(connection, 'connect')
      return new Predecessor(connection)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
      throw error
    }
  }

  /** Its listening sockets, which it goes on serving. */
  async sockets(): Promise<TakenSockets> {
    const courier = startReceiving(descriptorOf(this.#connection))
    const timer = setTimeout(() => courier.disconnect(), COURIER_LIMIT_MS)
    try {
      return await received(courier)
    } finally {
      clearTimeout(timer)
    }
  }

  /** We serve: it may send its clients away. */
  release(): void {
    this.#connection.write('serving\n')
    this.#connection.unref()
  }

  /** A key that is none of ours. */
  cancel({ processId, secretKey }: CancelKey): void {
    if (!this.#connection.writable) return
    this.#connection.write(`cancel ${processId} ${secretKey.toString('hex')}\n`)
  }

  /** Nothing has been taken over. */
  leave(): void {
    this.#connection.destroy()
  }
}

function received(courier: ChildProcess): Promise<TakenSockets> {
  const handles = new Map<string, object>()
  return new Promise((resolve, reject) => {
    courier.on('message', (message: CourierMessage, handle: unknown) => {
      if (message.kind === 'socket') handles.set(message.name, handle as object)
      else resolve(new TakenSockets(handles))
    })
    courier.once('error', reject)
    courier.once('disconnect', () => {
      reject(new Error('the process that runs did not hand over its listening sockets'))
    })
  })
}
