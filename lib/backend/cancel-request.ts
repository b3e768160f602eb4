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
 * Resolves to true when the server has closed the cancel connection, since it has signalled the process by then, or was never
 * reached; to false when that isn't known: the signal may come later. Never rejects: by the protocol nobody learns whether a
 * cancel had an effect.
 */
export function sendCancelRequest({
  address,
  processId,
  secretKey,
  tls,
  timeoutMs,
}: CancelTarget): Promise<boolean> {
  const out = new FrameWriter()
  writeCancelRequest(out, processId, secretKey)
  return new Promise((resolve) => {
    const giveUp = () => {
      isGivenUp = true
      socket.destroy()
    }
    let isSent = false
    let isGivenUp = false
    const timer = timeoutMs > 0 ? setTimeout(giveUp, timeoutMs) : undefined
    const owner = {
      // no end() of ours: the postmaster might then close before it has read the packet
      connected: () => {
        isSent = true
        socket.write(out.take())
      },
      received: () => false,
      drained: () => undefined,
      closed: (error: Error | undefined) => {
        clearTimeout(timer)
        resolve(!isSent || (error === undefined && !isGivenUp))
      },
    }
    const socket: BackendSocket = new BackendSocket(
      address,
      owner,
      tls === undefined ? undefined : { tls, isRequired: true },
    )
  })
}
