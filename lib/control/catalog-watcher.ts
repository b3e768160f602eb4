import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import type { Log } from '../base/log.ts'
import type { Catalog, CatalogSource, ReadOnNode } from '../catalog/catalog.ts'
import {
  buildCatalog,
  documentOutline,
  type NodeTable,
  readDocument,
  readTableOids,
} from './catalog-loader.ts'
import type { NodeAddress } from './metadata-schema.ts'

export type CatalogWatcherOptions = {
  readonly database: string
  readonly coordinator: NodeAddress
  /** How to connect for our own purposes, to any node: user, password …; host and port are put in. */
  readonly connection: Omit<pg.ClientConfig, 'host' | 'port' | 'database' | 'ssl'>
  /** Asked anew for each connection: certificates are renewed. */
  readonly sslOf?: (host: string) => NonNullable<pg.ClientConfig['ssl']>
  readonly log: Log
  /** How often the version is looked up besides LISTEN, which a failover or a pooler may swallow. */
  readonly pollIntervalMs?: number
}

/** Every so many polls the whole document is read: other tables' names may shadow ours without a new version. */
const POLLS_PER_FULL_READ = 10
/** With the last change of what the document tells of tables, triggers, views and functions, if made past all proxies. */
const READ_VERSION = `SELECT concat_ws('/',
  (SELECT max(version) FROM pgloom.pg_dist_catalog_version),
  (SELECT max(xmin::text::int8) FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't'),
  (SELECT max(xmin::text::int8) FROM pg_trigger),
  (SELECT max(xmin::text::int8) FROM pg_rewrite WHERE oid >= 16384),
  (SELECT max(xmin::text::int8) FROM pg_proc WHERE oid >= 16384))`
const DEFAULT_POLL_INTERVAL_MS = 1000

/**
 * The current catalog of one database. `version` counts the different snapshots this process has seen, so that a plan
 * can be cached under it even where something changed that the metadata's own version does not count.
 */
export class CatalogWatcher implements CatalogSource {
  readonly #options: CatalogWatcherOptions
  #catalog: Catalog
  #document: string | undefined
  #tablesOfNodes: ReadonlyMap<number, readonly NodeTable[]> = new Map()
  /** Nodes whose OIDs could not be read; tried again with the next read. */
  #hasGaps = false
  #client: pg.Client | undefined
  #running: Promise<Catalog> | undefined
  #next: Promise<Catalog> | undefined
  #timer: NodeJS.Timeout | undefined
  #polls = 0
  #metadataVersion = ''
  #isStopped = false

  constructor(options: CatalogWatcherOptions) {
    this.#options = options
    this.#catalog = buildCatalog({
      ...options,
      document: undefined,
      tablesOfNodes: new Map(),
      version: 0,
    })
  }

  /** Reads the first snapshot; throws when the coordinator cannot be reached. Then watches until stop(). */
  async start(): Promise<Catalog> {
    const catalog = await this.refresh()
    this.#schedule()
    return catalog
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#running?.catch(() => undefined)
    await this.#dropClient()
  }

  current(): Catalog {
    return this.#catalog
  }

  /** Single-flighted: callers during a read share the one that follows it, which alone is new enough for them. */
  refresh(): Promise<Catalog> {
    if (this.#running === undefined) return this.#begin()
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#next
  }

  async readThrough(read: ReadOnNode, nodeIds: readonly number[]): Promise<Catalog> {
    const coordinatorId = this.#catalog.nodes[0]?.nodeId ?? 0
    const document = await readDocument((text) => read(coordinatorId, text))
    if (document === undefined || document === this.#document) return this.#catalog
    const { referenceTables } = documentOutline(document, this.#options.coordinator)
    const tablesOfNodes = new Map(this.#tablesOfNodes)
    for (const nodeId of nodeIds) {
      const ofNode = (text: string) => read(nodeId, text)
      tablesOfNodes.set(nodeId, await readTableOids(ofNode, referenceTables))
    }
    const { version } = this.#catalog
    return buildCatalog({ ...this.#options, document, tablesOfNodes, version })
  }

  #begin(): Promise<Catalog> {
    this.#next = undefined
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #read(): Promise<Catalog> {
    try {
      return await this.#replace(await this.#listeningClient())
    } catch (error) {
      // A connection may have died unnoticed since the last read: once more with a new one.
      await this.#dropClient()
      if (this.#isStopped) throw error
      return this.#replace(await this.#listeningClient())
    }
  }

  async #replace(client: pg.Client): Promise<Catalog> {
    const document = await readDocument((text) => readValue(client, text))
    const isSame = document === this.#document && this.#catalog.version > 0
    // functions of the user's may be changed on a node alone
    const isWhole = !this.#hasGaps && this.#catalog.functions === undefined
    if (isSame && isWhole) return this.#catalog
    const tablesOfNodes =
      document === undefined ? new Map() : await this.#readNodes(client, document)
    if (isSame && isDeepStrictEqual(tablesOfNodes, this.#tablesOfNodes)) return this.#catalog
    const version = this.#catalog.version + 1
    this.#catalog = buildCatalog({ ...this.#options, document, tablesOfNodes, version })
    this.#document = document
    this.#tablesOfNodes = tablesOfNodes
    return this.#catalog
  }

  async #readNodes(
    client: pg.Client,
    document: string,
  ): Promise<ReadonlyMap<number, readonly NodeTable[]>> {
    const { nodes, referenceTables } = documentOutline(document, this.#options.coordinator)
    const tablesOfNodes = new Map<number, readonly NodeTable[]>()
    const ofNode = async (node: (typeof nodes)[number]): Promise<void> => {
      if (node.groupId === 0) {
        const read = (text: string) => readValue(client, text)
        tablesOfNodes.set(node.nodeId, await readTableOids(read, referenceTables))
        return
      }
      const worker = this.#newClient(node)
      try {
        await worker.connect()
        // functions are compared by their texts
        await worker.query('SET search_path = pg_catalog')
        const read = (text: string) => readValue(worker, text)
        tablesOfNodes.set(node.nodeId, await readTableOids(read, referenceTables))
      } finally {
        await worker.end().catch(() => undefined)
      }
    }
    const results = await Promise.allSettled(nodes.map(ofNode))
    const failed = results.filter((result) => result.status === 'rejected')
    this.#hasGaps = failed.length > 0
    if (failed.length > 0)
      this.#options.log.warn('nodes did not tell their table OIDs', { failed: failed.length })
    return tablesOfNodes
  }

  #newClient(address: NodeAddress): pg.Client {
    const { connection, database, sslOf } = this.#options
    const client = new pg.Client({
      application_name: 'pgloom catalog',
      connectionTimeoutMillis: 10_000,
      ...connection,
      host: address.host,
      port: address.port,
      ssl: sslOf?.(address.host) ?? false,
      database,
    })
    client.on('error', () => undefined)
    return client
  }

  async #listeningClient(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client
    const client = this.#newClient(this.#options.coordinator)
    await client.connect()
    client.on('notification', () => this.#refreshQuietly())
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    this.#client = client
    await client.query('SET search_path = pg_catalog; SET jit = off; LISTEN pgloom_catalog')
    return client
  }

  async #dropClient(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }

  #schedule(): void {
    if (this.#isStopped) return
    const interval = this.#options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS
    this.#timer = setTimeout(() => void this.#poll().finally(() => this.#schedule()), interval)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    this.#polls++
    try {
      const version = await this.#readVersion()
      if (version === this.#metadataVersion && this.#polls % POLLS_PER_FULL_READ !== 0) return
      await this.refresh()
      this.#metadataVersion = version
    } catch (error) {
      this.#options.log.warn('the catalog could not be read', { error })
    }
  }

  async #readVersion(): Promise<string> {
    const client = await this.#listeningClient()
    if (!this.#catalog.isInstalled) return 'none'
    return (await readValue(client, READ_VERSION)) ?? 'none'
  }

  #refreshQuietly(): void {
    this.refresh().catch((error: unknown) => {
      this.#options.log.warn('the catalog could not be read', { error })
    })
  }
}

async function readValue(client: pg.Client, text: string): Promise<string | undefined> {
  const types = { getTypeParser: () => (value: string) => value }
  const { rows } = await client.query<(string | null)[]>({ text, rowMode: 'array', types })
  return rows[0]?.[0] ?? undefined
}
