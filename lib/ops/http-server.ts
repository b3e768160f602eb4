import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  descriptorOf,
  type HeldSocket,
  type TakenSockets,
} from '../session/client/listening-ports.ts'

/** What the pages show; asked anew for each request. */
export type HttpSources = {
  readonly metrics: { readonly contentType: string; scrape(): Promise<string> }
  /** undefined: clients are served; else why not. */
  readonly notReadyReason: () => string | undefined | Promise<string | undefined>
}

export type HttpOptions = { readonly host: string; readonly port: number }

type Page = { readonly status: number; readonly type: string; readonly body: string }

const TEXT = 'text/plain; charset=utf-8'

const START_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>pgloom</title>
<h1>pgloom</h1>
<ul>
<li><a href="/metrics">/metrics</a>
<li><a href="/healthz">/healthz</a>
<li><a href="/readyz">/readyz</a>
</ul>
</html>
`

/** Few and short: scrapers and probes. Whoever dawdles is cut off, so that nobody can hold many of them. */
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const
const MAX_CONNECTIONS = 64
const IDLE_SOCKET_MS = 10_000
const SOCKET_NAME = 'http'

/** /metrics, /healthz, /readyz and a page that links them. */
export class HttpServer {
  readonly #server: Server
  readonly #sources: HttpSources
  readonly #name: string

  private constructor(sources: HttpSources, name: string) {
    this.#sources = sources
    this.#name = name
    this.#server = createServer(LIMITS, (request, response) => {
      void this.#answer(request, response)
    })
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.setTimeout(IDLE_SOCKET_MS)
  }

  /** Rejects when the port can't be had. */
  static async start(
    { host, port }: HttpOptions,
    sources: HttpSources,
    taken?: TakenSockets,
  ): Promise<HttpServer> {
    const name = `${SOCKET_NAME} ${host} ${port}`
    const http = new HttpServer(sources, name)
    const handle = taken?.take(name)
    await new Promise<void>((resolve, reject) => {
      http.#server.once('error', reject)
      http.#server.once('listening', () => {
        http.#server.off('error', reject)
        resolve()
      })
      if (handle === undefined) http.#server.listen({ host, port })
      else http.#server.listen(handle)
    })
    return http
  }

  /** The bound one, also where 0 was asked for. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** For a process that takes over. */
  held(): HeldSocket[] {
    return [{ name: this.#name, descriptor: descriptorOf(this.#server) }]
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await this.#page(request).catch((error: unknown): Page => {
      return { status: 500, type: TEXT, body: `${String(error)}\n` }
    })
    // A body that was sent along is not read: the connection ends with the answer.
    const headers = {
      'content-type': page.type,
      'content-length': Buffer.byteLength(page.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(page.status === 405 ? { allow: 'GET, HEAD' } : {}),
      ...(hasBody(request) ? { connection: 'close' } : {}),
    }
    response.writeHead(page.status, headers)
    response.end(request.method === 'HEAD' ? undefined : page.body)
  }

  async #page(request: IncomingMessage): Promise<Page> {
    const [path] = (request.url ?? '').split('?')
    const page = PAGES.get(path ?? '')
    if (page === undefined) return { status: 404, type: TEXT, body: 'not found\n' }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { status: 405, type: TEXT, body: 'only GET and HEAD\n' }
    }
    return page(this.#sources)
  }
}

type PageMaker = (sources: HttpSources) => Page | Promise<Page>

const PAGES: ReadonlyMap<string, PageMaker> = new Map<string, PageMaker>([
  ['/', () => ({ status: 200, type: 'text/html; charset=utf-8', body: START_PAGE })],
  ['/healthz', () => ({ status: 200, type: TEXT, body: 'ok\n' })],
  ['/readyz', readiness],
  ['/metrics', metricsPage],
])

async function readiness({ notReadyReason }: HttpSources): Promise<Page> {
  const reason = await notReadyReason()
  if (reason === undefined) return { status: 200, type: TEXT, body: 'ready\n' }
  return { status: 503, type: TEXT, body: `${reason}\n` }
}

async function metricsPage({ metrics }: HttpSources): Promise<Page> {
  return { status: 200, type: metrics.contentType, body: await metrics.scrape() }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
