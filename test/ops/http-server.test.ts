import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { HttpServer } from '../../lib/ops/http-server.ts'
import { Metrics } from '../../lib/ops/metrics.ts'

type Teardown = { teardown(clean: () => Promise<void>): void }

const POOL = { node: { nodeId: 1, host: 'db1', port: 5432 }, database: 'app', user: 'app' }

async function startServer(t: Teardown, notReadyReason: () => string | undefined) {
  const pools = {
    stats: () => [{ ...POOL, idle: 1, busy: 2, connecting: 3, waiting: 4 }],
  }
  const metrics = new Metrics({
    pools,
    clients: () => 7,
    pins: () => ['listen', 'advisory lock', 'listen'],
  })
  const http = await HttpServer.start({ host: '127.0.0.1', port: 0 }, { metrics, notReadyReason })
  t.teardown(() => http.stop())
  return { http, metrics, url: `http://127.0.0.1:${http.port}` }
}

t.test('the HTTP server', async (t) => {
  t.test('tells whether it lives and whether it serves', async (t) => {
    let reason: string | undefined
    const { url } = await startServer(t, () => reason)
    t.equal((await fetch(`${url}/healthz`)).status, 200)
    t.equal((await fetch(`${url}/readyz`)).status, 200)
    reason = 'stopping'
    t.equal((await fetch(`${url}/healthz`)).status, 200)
    const notReady = await fetch(`${url}/readyz?verbose`)
    t.equal(notReady.status, 503)
    t.equal(await notReady.text(), 'stopping\n')
  })

  t.test('shows the metrics in Prometheus text', async (t) => {
    const { url, metrics } = await startServer(t, () => undefined)
    metrics.queryDone('router', 2)
    metrics.queryDone('router', 3)
    metrics.queryFailed('0A000')
    const response = await fetch(`${url}/metrics`)
    t.match(response.headers.get('content-type'), /text\/plain; version=0\.0\.4/)
    const page = await response.text()
    for (const line of [
      'pgloom_clients 7',
      'pgloom_pins{reason="listen"} 2',
      'pgloom_pins{reason="temporary table"} 0',
      'pgloom_server_connections{node="db1:5432",database="app",user="app",state="busy"} 2',
      'pgloom_pool_waiting{node="db1:5432",database="app",user="app"} 4',
      'pgloom_queries_total{tier="router"} 2',
      'pgloom_query_duration_seconds_bucket{le="0.0025",tier="router"} 1',
      'pgloom_errors_total{class="0A"} 1',
    ]) {
      t.ok(page.split('\n').includes(line), line)
    }
    t.match(page, /nodejs_eventloop_lag_p99_seconds \d/)
  })

  t.test('links its pages, and refuses others and other methods', async (t) => {
    const { url } = await startServer(t, () => undefined)
    t.match(await (await fetch(url)).text(), /<a href="\/metrics">/)
    t.equal((await fetch(`${url}/nowhere`)).status, 404)
    const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x'.repeat(1 << 20) })
    t.equal(posted.status, 405)
    t.equal(posted.headers.get('allow'), 'GET, HEAD')
    const head = await fetch(`${url}/healthz`, { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
  })

  t.test('survives clients that talk nonsense or too much', async (t) => {
    const { http, url } = await startServer(t, () => undefined)
    for (const nonsense of ['\0\x03\0\0', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`]) {
      const socket = connect(http.port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(nonsense)
      socket.end()
      t.match(await text(socket), /^HTTP\/1.1 4\d\d /)
    }
    t.equal((await fetch(`${url}/healthz`)).status, 200)
  })

  t.test('rejects when its port is taken', async (t) => {
    const { http } = await startServer(t, () => undefined)
    const metrics = { contentType: '', scrape: async () => '' }
    const again = HttpServer.start(
      { host: '127.0.0.1', port: http.port },
      { metrics, notReadyReason: () => undefined },
    )
    await t.rejects(again, { code: 'EADDRINUSE' })
  })
})
