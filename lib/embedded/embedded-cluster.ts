import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Log } from '../base/log.ts'
import { makeClusterDirectory, nodesDirectory } from './cluster-directory.ts'
import { DirectoryLock } from './directory-lock.ts'
import { EmbeddedNode, type NodeSurroundings } from './embedded-node.ts'
import { type BinariesSource, binariesSource, findBinaries } from './postgres-binaries.ts'
import { prepareDatabase } from './prepare-database.ts'
import { serverAccount } from './server-account.ts'
import { Watchdog } from './watchdog.ts'

export type EmbeddedOptions = {
  /** Kept between runs; made where it is missing. One process at a time. */
  readonly dataDirectory: string
  /** Made on every node where it is missing, owned by role `app`. */
  readonly database: string
  /** A directory with initdb and postgres, instead of the npm package of this platform. */
  readonly postgresBin?: string | undefined
  /** Another npm package with such binaries; tests run older majors so. */
  readonly packageName?: string | undefined
  readonly log: Log
}

export type EmbeddedClusterOptions = EmbeddedOptions & {
  /** undefined: as many as the directory has, 2 in a new one. */
  readonly workers: number | undefined
}

export type EmbeddedCluster = {
  /** The coordinator first. Ports may differ from those of the last run. */
  readonly nodes: readonly EmbeddedNode[]
  /** Stops all servers and gives the directory free. */
  stop(): Promise<void>
}

const DEFAULT_WORKERS = 2

/** A coordinator and workers, each one an ordinary Postgres server that trusts everyone on the loopback interface. */
export async function startEmbeddedCluster(
  options: EmbeddedClusterOptions,
): Promise<EmbeddedCluster> {
  return startNodes(options, (nodes) => {
    const workers = workerCount(nodes, options.workers)
    return ['coordinator', ...Array.from({ length: workers }, (_, index) => workerName(index))]
  })
}

/** One stock server, made and set up exactly as the nodes of a cluster are. */
export async function startEmbeddedNode(
  options: EmbeddedOptions,
): Promise<{ readonly node: EmbeddedNode; stop(): Promise<void> }> {
  const { nodes, stop } = await startNodes(options, () => ['postgres'])
  const [node] = nodes
  if (node === undefined) throw new Error('no node')
  return { node, stop }
}

async function startNodes(
  options: EmbeddedOptions,
  names: (nodesDirectory: string) => readonly string[],
): Promise<EmbeddedCluster> {
  const account = serverAccount()
  const binaries = await findBinaries(sourceOf(options), account)
  const directory = makeClusterDirectory(resolve(options.dataDirectory))
  const lock = DirectoryLock.acquire(directory)
  const watchdog = new Watchdog(account)
  const started: EmbeddedNode[] = []
  const stop = async () => {
    await Promise.allSettled(started.map((node) => node.stop()))
    watchdog.close()
    lock.release()
  }
  try {
    const parent = nodesDirectory(directory, account)
    const surroundings: NodeSurroundings = { binaries, account, watchdog, log: options.log }
    for (const name of names(parent)) {
      started.push(new EmbeddedNode(join(parent, name), surroundings))
    }
    await Promise.all(started.map((node) => startNode(node, options.database)))
    return { nodes: started, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startNode(node: EmbeddedNode, database: string): Promise<void> {
  await node.start()
  await prepareDatabase(node, database)
}

function sourceOf({ postgresBin, packageName }: EmbeddedOptions): BinariesSource {
  if (packageName !== undefined) return { kind: 'package', name: packageName }
  return binariesSource(postgresBin)
}

/** Leaving out a worker would leave out its shards. */
function workerCount(nodes: string, wanted: number | undefined): number {
  const found = readdirSync(nodes).filter((name) => /^worker-\d+$/.test(name)).length
  const isNew = !existsSync(join(nodes, 'coordinator'))
  const count = wanted ?? (isNew ? DEFAULT_WORKERS : found)
  if (count >= found) return count
  throw new Error(
    `the data directory has ${found} workers with their shards: start it with --workers ${found} or more, or choose another with --data`,
  )
}

function workerName(index: number): string {
  return `worker-${index + 1}`
}
