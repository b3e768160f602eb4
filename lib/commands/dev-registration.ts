import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import pg from 'pg'
import {
  installMetadata,
  type NodeAddress,
  registerCoordinator,
  registerFirstWorker,
} from '../control/metadata-schema.ts'

export type DevNode = NodeAddress & { readonly dataDirectory: string }

export type DevRegistrationOptions = {
  readonly database: string
  /** The coordinator first. */
  readonly nodes: readonly DevNode[]
  /** Remembers which server is which node of the metadata: their ports may change between runs. */
  readonly file: string
}

/** Database -> name of the server (its data directory's) -> nodeid. */
type Registrations = Readonly<Record<string, Readonly<Record<string, number>>>>

const ROLE = 'app'

/**
 * Makes the metadata of the embedded cluster true: installed, every server known, at today's port. Returns the workers that
 * must be added with citus_add_node, since there are tables already. Can be repeated after a crash at any point.
 */
export async function registerDevNodes(
  options: DevRegistrationOptions,
): Promise<readonly NodeAddress[]> {
  const { database, nodes, file } = options
  const [coordinator, ...workers] = nodes
  if (coordinator === undefined) throw new Error('a cluster has a coordinator')
  const client = await connect(coordinator, database)
  try {
    await installMetadata(client)
    const known = readRegistrations(file)
    await updateAddresses(client, nodes, known[database] ?? {})
    await registerCoordinator(client, coordinator, workers.length === 0)
    const missing = await registerWorkers(client, workers, database)
    await writeRegistrations(client, options, known)
    return missing
  } finally {
    await client.end()
  }
}

async function registerWorkers(
  coordinator: pg.Client,
  workers: readonly DevNode[],
  database: string,
): Promise<readonly NodeAddress[]> {
  const missing: NodeAddress[] = []
  const { rowCount } = await coordinator.query('SELECT FROM pgloom.pg_dist_partition LIMIT 1')
  for (const worker of workers) {
    const found = await coordinator.query(
      'SELECT FROM pgloom.pg_dist_node WHERE nodename = $1 AND nodeport = $2',
      [worker.host, worker.port],
    )
    if (found.rowCount === 0 && rowCount !== 0) {
      missing.push(worker)
      continue
    }
    const client = await connect(worker, database)
    try {
      await registerFirstWorker(coordinator, client, worker)
    } finally {
      await client.end()
    }
  }
  return missing
}

/** All at once, by way of ports that no server has: two servers may have swapped theirs. */
async function updateAddresses(
  client: pg.Client,
  nodes: readonly DevNode[],
  ids: Readonly<Record<string, number>>,
): Promise<void> {
  const known = nodes.flatMap((node) => {
    const id = ids[nameOf(node)]
    return id === undefined ? [] : [{ id, port: node.port }]
  })
  const ports = known.map(({ port }) => port)
  const nodeIds = known.map(({ id }) => id)
  const moved = await client.query(
    `SELECT FROM pgloom.pg_dist_node n, unnest($1::int[], $2::int[]) u(id, port)
     WHERE n.nodeid = u.id AND n.nodeport <> u.port`,
    [nodeIds, ports],
  )
  if (moved.rowCount === 0) return
  await client.query('BEGIN')
  await client.query(
    'UPDATE pgloom.pg_dist_node SET nodeport = -nodeid WHERE nodeid = ANY ($1::int[])',
    [nodeIds],
  )
  await client.query(
    `UPDATE pgloom.pg_dist_node n SET nodeport = u.port
     FROM unnest($1::int[], $2::int[]) u(id, port) WHERE n.nodeid = u.id`,
    [nodeIds, ports],
  )
  await client.query('COMMIT')
}

function readRegistrations(file: string): Registrations {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Registrations) : {}
}

async function writeRegistrations(
  client: pg.Client,
  { database, nodes, file }: DevRegistrationOptions,
  known: Registrations,
): Promise<void> {
  const { rows } = await client.query<{ nodeid: number; nodename: string; nodeport: number }>(
    'SELECT nodeid, nodename, nodeport FROM pgloom.pg_dist_node',
  )
  const ids: Record<string, number> = {}
  for (const node of nodes) {
    const row = rows.find(({ nodename, nodeport }) => {
      return nodename === node.host && nodeport === node.port
    })
    if (row !== undefined) ids[nameOf(node)] = row.nodeid
  }
  const staging = `${file}.new`
  writeFileSync(staging, `${JSON.stringify({ ...known, [database]: ids }, undefined, 2)}\n`)
  renameSync(staging, file)
}

function nameOf(node: DevNode): string {
  return basename(node.dataDirectory)
}

async function connect(address: NodeAddress, database: string): Promise<pg.Client> {
  const { host, port } = address
  const client = new pg.Client({ host, port, database, user: ROLE, password: '' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
