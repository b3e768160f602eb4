import { createServer } from 'node:net'

/** The host on which embedded servers listen: never reachable from outside, since they trust everyone. */
export const EMBEDDED_HOST = '127.0.0.1'

/** Whether nobody listens on the port now; someone may in the next moment. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return tryListen(host, port).then(
    () => true,
    () => false,
  )
}

/** A port that is free now, chosen by the system. */
export function freePort(host: string = EMBEDDED_HOST): Promise<number> {
  return tryListen(host, 0)
}

function tryListen(host: string, port: number): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(bound))
    })
  })
}
