import { connect } from 'node:net'
import { FrameWriter } from '../wire/frame-writer.ts'
import { writeCancelRequest } from '../wire/startup-packets.ts'
import { type BackendAddress, socketTarget } from './backend-address.ts'

const TIMEOUT_MS = 10_000

/**
 * Settles when the server has closed the cancel connection: it has signalled the process by then. Never throws:
 * by the protocol nobody learns whether a cancel had an effect.
 */
export function sendCancelRequest(
  address: BackendAddress,
  processId: number,
  secretKey: Buffer,
): Promise<void> {
  const out = new FrameWriter()
  writeCancelRequest(out, processId, secretKey)
  return new Promise((resolve) => {
    const socket = connect({ ...socketTarget(address) })
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.on('end', () => socket.destroy())
    socket.resume()
    // no end() of ours: the postmaster might then close before it has read the packet
    socket.write(out.take())
  })
}
