import { FrameWriter } from '../wire/frame-writer.ts'
import { writeCancelRequest } from '../wire/startup-packets.ts'
import type { BackendAddress } from './backend-address.ts'
import { BackendSocket } from './backend-socket.ts'
import type { ServerTls } from './server-tls.ts'

export type CancelTarget = {
  readonly address: BackendAddress
  readonly processId: number
  readonly secretKey: Buffer
  /** The connection to be cancelled is encrypted: the key isn't to be shown to anyone now. */
  readonly tls: ServerTls | undefined
  /** 0: no limit. */
  readonly timeoutMs: number
}

/**
 * Settles when the server has closed the cancel connection: it has signalled the process by then. Never throws:
 * by the protocol nobody learns whether a cancel had an effect.
 */
export function sendCancelRequest({
  address,
  processId,
  secretKey,
  tls,
  timeoutMs,
}: CancelTarget): Promise<void> {
  const out = new FrameWriter()
  writeCancelRequest(out, processId, secretKey)
  return new Promise((resolve) => {
    const timer = timeoutMs > 0 ? setTimeout(() => socket.destroy(), timeoutMs) : undefined
    const owner = {
      // no end() of ours: the postmaster might then close before it has read the packet
      connected: () => {
        socket.write(out.take())
      },
      received: () => false,
      drained: () => undefined,
      closed: () => {
        clearTimeout(timer)
        resolve()
      },
    }
    const socket: BackendSocket = new BackendSocket(
      address,
      owner,
      tls === undefined ? undefined : { tls, isRequired: true },
    )
  })
}
