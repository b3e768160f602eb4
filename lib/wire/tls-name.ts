import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** How a connection is encrypted, as PgBouncer shows it: `TLSv1.3/TLS_AES_256_GCM_SHA384`. Empty: it isn't. */
export function tlsName(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return ''
  const protocol = socket.getProtocol()
  // nothing is agreed upon any more once it is closed
  return protocol === null ? '' : `${protocol}/${socket.getCipher().standardName}`
}
