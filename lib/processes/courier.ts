import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { descriptorOf } from '../session/client/listening-ports.ts'

/**
 * Carries listening sockets from one proxy to another, which is not its child. Node passes open sockets over the channel
 * between a parent and its child only, but takes any Unix socket for that channel which NODE_CHANNEL_FD names, and lets children
 * inherit descriptors. So each step is a short-lived process of its own:
 *
 *   send     (child of who gives)   its channel is the connection between the two proxies; sends what it inherits
 *   open     (child of who takes)   starts collect on the other end of that connection, and leaves the channel alone
 *   collect                         receives, and lets another send inherit what came
 *   send                            its channel is that of open to its parent: who takes has the sockets
 */
export type CourierMessage =
  | { readonly kind: 'socket'; readonly name: string }
  /** All have been sent. */
  | { readonly kind: 'end' }

const ENTRY = fileURLToPath(import.meta.url)
const FIRST_INHERITED = 4
const CONNECTION = 3
const CHANNEL_OF_OPEN = 4

export type Carried = { readonly name: string; readonly descriptor: number }

/** Ends with 0 when all has been sent over `connection`, which nobody else may read meanwhile. */
export function startSending(connection: number, sockets: readonly Carried[]): ChildProcess {
  const names = sockets.map(({ name }) => name)
  const descriptors = sockets.map(({ descriptor }) => descriptor)
  return spawn(process.execPath, [ENTRY, 'send', ...names], {
    stdio: ['ignore', 'ignore', 'inherit', connection, ...descriptors],
    env: environment(),
  })
}

/** Its messages are CourierMessages with the sockets' handles; it ends long before they come. */
export function startReceiving(connection: number): ChildProcess {
  return spawn(process.execPath, [ENTRY, 'open'], {
    stdio: ['ignore', 'ignore', 'inherit', connection, 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_OPTIONS: '', NODE_CHANNEL_FD: String(CONNECTION) }
}

function open(): void {
  const collect = spawn(process.execPath, [ENTRY, 'collect'], {
    stdio: ['ignore', 'ignore', 'inherit', CONNECTION, CHANNEL_OF_OPEN],
    env: environment(),
  })
  // else we would read what is meant for the last step
  collect.once('spawn', () => process.exit(0))
}

function collect(): void {
  const sockets: Carried[] = []
  let isComplete = false
  process.on('disconnect', () => {
    if (!isComplete) process.exit(1)
  })
  process.on('message', (message: CourierMessage, handle: unknown) => {
    if (message.kind === 'socket') {
      const { fd } = handle as { readonly fd: number }
      sockets.push({ name: message.name, descriptor: fd })
      return
    }
    isComplete = true
    startSending(CHANNEL_OF_OPEN, sockets).once('exit', (code) => process.exit(code ?? 1))
  })
}

function send(names: readonly string[]): void {
  process.channel?.ref()
  for (const [index, name] of names.entries()) {
    // never listened on here: clients would be accepted and lost
    const carrier = new Socket({ fd: FIRST_INHERITED + index, readable: false, writable: false })
    process.send?.({ kind: 'socket', name } satisfies CourierMessage, handleOf(carrier))
  }
  process.send?.({ kind: 'end' } satisfies CourierMessage, undefined, {}, (error) => {
    process.exit(error === null ? 0 : 1)
  })
}

/** As node:cluster does, the bare handle is sent: a Socket would be read at its arrival. */
function handleOf(carrier: Socket): Socket {
  const { _handle: handle } = carrier as unknown as { readonly _handle: Socket }
  if (descriptorOf(carrier) < 0) throw new Error('a listening socket was not inherited')
  return handle
}

if (process.argv[1] === ENTRY) {
  const [, , step, ...names] = process.argv
  if (step === 'open') open()
  else if (step === 'collect') collect()
  else if (step === 'send') send(names)
}
