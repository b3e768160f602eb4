import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { EMBEDDED_HOST, freePort, isPortFree } from '../../lib/embedded/free-port.ts'

/** Where Linux begins to give ports to connections; macOS does later. */
const FIRST_EPHEMERAL = 32_768

t.test('a port for a server is not one that a connection may be given', async (t) => {
  for (let round = 0; round < 20; round++) {
    const port = await freePort()
    t.ok(port >= 1024 && port < FIRST_EPHEMERAL, String(port))
  }
})

t.test('a port where somebody listens is not free', async (t) => {
  const server = createServer().listen(0, EMBEDDED_HOST)
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  t.notOk(await isPortFree(EMBEDDED_HOST, port))
  server.close()
})
