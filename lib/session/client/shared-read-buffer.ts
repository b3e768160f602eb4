import {
  connect,
  createServer,
  type OnReadOpts,
  Socket,
  type SocketConstructorOpts,
} from 'node:net'

/** What one read call brings at most. */
const READ_BUFFER_BYTES = 64 * 1024
const PROBE_TIMEOUT_MS = 2000

/** One for all clients of the process: each chunk is used up before the next is read. */
const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)

/** Not in Node's manual, though its own cluster and tls modules live by it: hence canShareReads(). */
type Handled = { _handle: unknown }
type HandleOptions = SocketConstructorOpts & {
  readonly handle: unknown
  readonly onread: OnReadOpts
}

/**
 * A socket that goes on with the connection of `accepted`, a paused one, and reads into the shared buffer: an accepted socket
 * can't be told to. `accepted` is an empty shell afterwards. `received` gets bytes [0, length).
 */
export function adoptHandle(
  accepted: Socket,
  received: (chunk: Buffer, length: number) => void,
): Socket {
  const shell = accepted as unknown as Handled
  const handle = shell._handle
  shell._handle = null
  const options: HandleOptions = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback: (length) => {
        received(buffer, length)
        return true
      },
    },
  }
  const socket = new Socket(options)
  // the server that accepted it counts its shells
  accepted.destroy()
  return socket
}

/**
 * By what it is, not by what it lacks: a TCP connection that its client has reset has no remote address either, while bytes
 * of that client's may still be waiting to be read.
 */
export function isUnixSocket(accepted: Socket): boolean {
  const { _handle: handle } = accepted as unknown as Handled
  return handle instanceof Object && handle.constructor.name === 'Pipe'
}

/** Whether adoptHandle works in this Node: tries it over a loopback connection. Never rejects. */
export function canShareReads(): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
      try {
        echo(accepted)
      } catch {
        accepted.destroy()
      }
    })
    const finish = (isFine: boolean) => {
      clearTimeout(timer)
      server.close()
      resolve(isFine)
    }
    const timer = setTimeout(() => finish(false), PROBE_TIMEOUT_MS)
    server.on('error', () => finish(false))
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address !== 'object' || address === null) finish(false)
      else ask(address.port, finish)
    })
  })
}

/** Answers each chunk, pausing in between, and says goodbye after the other's. */
function echo(accepted: Socket): void {
  const socket: Socket = adoptHandle(accepted, (chunk, length) => {
    socket.pause()
    socket.write(Buffer.from(chunk.subarray(0, length)))
    setImmediate(() => socket.resume())
  })
  socket.on('error', () => undefined)
  socket.on('end', () => socket.end('.'))
  socket.resume()
}

function ask(port: number, finish: (isFine: boolean) => void): void {
  let answer = ''
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write('a'))
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
    if (answer === 'a') socket.write('bc')
    else if (answer === 'abc') socket.end()
  })
  socket.on('error', () => finish(false))
  socket.on('end', () => {
    socket.destroy()
    finish(answer === 'abc.')
  })
}
