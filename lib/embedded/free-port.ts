import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** The host on which embedded servers listen: never reachable from outside, since they trust everyone. */
export const EMBEDDED_HOST = '127.0.0.1'

/**
 * Below the ports that Linux and macOS give to connections: one of those could stand in the way when a server that was stopped
 * wants its port back, and whoever calls a server that is down could be given its very port and be connected to himself.
 */
const FIRST_PORT = 20_000
const PORTS_END = 32_768
const ATTEMPTS = 20

/** Whether nobody listens on the port now; someone may in the next moment. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return tryListen(host, port).then(
    () => true,
    () => false,
  )
}

/** A port that is free now: a random one, or the system's choice where too many are taken. */
export async function freePort(host: string = EMBEDDED_HOST): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, PORTS_END)
    if (await isPortFree(host, port)) return port
  }
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
