import { RawClient } from '../support/raw-client.ts'

/** Where the rows of all distributed tables really are, as the nodes themselves say. */
export type PlacementReport = {
  /** `table shard: n rows` for rows whose hash lies outside of their shard's range. */
  readonly misplaced: readonly string[]
  /** Shard tables that no placement names, and rows in tables that must be empty. */
  readonly strays: readonly string[]
  readonly rows: ReadonlyMap<string, number>
  /** By node, as host:port. */
  readonly rowsOfNode: ReadonlyMap<string, number>
}

type Placement = {
  readonly table: string
  readonly key: string
  readonly schema: string
  readonly min: string
  readonly max: string
  readonly host: string
  readonly port: string
}

/** The metadata, asked for through the proxy; `pgloom_<shard group>` is the schema of a shard of schema public. */
const PLACEMENTS = `
  SELECT c.relname, pgloom.column_to_column_name(pt.logicalrelid, pt.partkey), 'pgloom_' || s.shardgroupid, s.shardminvalue, s.shardmaxvalue, n.nodename, n.nodeport
  FROM pgloom.pg_dist_partition pt
  JOIN pg_catalog.pg_class c ON c.oid = pt.logicalrelid
  JOIN pgloom.pg_dist_shard s USING (logicalrelid)
  JOIN pgloom.pg_dist_placement p USING (shardid)
  JOIN pgloom.pg_dist_node n USING (groupid)
  WHERE pt.partmethod = 'h'`

const SHARD_TABLES = `
  SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname ~ '^pgloom_[0-9]+$' AND c.relkind = 'r'`

const NODES = `SELECT nodename, nodeport FROM pgloom.pg_dist_node WHERE noderole::text = 'primary'`

/** Recomputes every row's hash on its own node with hash_record(ROW(key)), which no code of ours takes part in. */
export async function misplacedRows(proxy: RawClient): Promise<PlacementReport> {
  const placements = await readPlacements(proxy)
  const report = {
    misplaced: [] as string[],
    strays: [] as string[],
    rows: new Map<string, number>(),
    rowsOfNode: new Map<string, number>(),
  }
  for (const [host = '', port = ''] of await rowsOf(proxy, NODES)) {
    // The superuser also sees through the guards of the shells.
    const node = await RawClient.connect(`postgres://postgres@${host}:${port}/app`)
    try {
      const here = placements.filter(
        (placement) => placement.host === host && placement.port === port,
      )
      await inspectNode(node, `${host}:${port}`, here, report)
      await inspectShells(node, new Set(placements.map(({ table }) => table)), report.strays)
    } finally {
      node.close()
    }
  }
  return report
}

async function readPlacements(proxy: RawClient): Promise<Placement[]> {
  const rows = await rowsOf(proxy, PLACEMENTS)
  return rows.map(
    ([table = '', key = '', schema = '', min = '', max = '', host = '', port = '']) => {
      return { table, key, schema, min, max, host, port }
    },
  )
}

async function inspectNode(
  node: RawClient,
  name: string,
  placements: readonly Placement[],
  report: {
    misplaced: string[]
    strays: string[]
    rows: Map<string, number>
    rowsOfNode: Map<string, number>
  },
): Promise<void> {
  for (const placement of placements) {
    const { table, key, schema, min, max } = placement
    const [row = []] = await rowsOf(
      node,
      `SELECT count(*), count(*) FILTER (WHERE hash_record(ROW("${key}")) NOT BETWEEN ${min} AND ${max}) FROM ONLY ${schema}."${table}"`,
    )
    const [count = 0, wrong = 0] = row.map(Number)
    if (wrong > 0) report.misplaced.push(`${table} ${schema}: ${wrong} rows`)
    report.rows.set(table, (report.rows.get(table) ?? 0) + count)
    report.rowsOfNode.set(name, (report.rowsOfNode.get(name) ?? 0) + count)
  }
  const known = new Set(placements.map(({ table, schema }) => `${schema}.${table}`))
  for (const [found = ''] of await rowsOf(node, SHARD_TABLES)) {
    if (!known.has(found)) report.strays.push(`${found} on ${name}`)
  }
}

/** The user's tables on a node must be there, and empty; pg_relation_size asks no guard. */
async function inspectShells(
  node: RawClient,
  tables: ReadonlySet<string>,
  strays: string[],
): Promise<void> {
  for (const table of tables) {
    const size = await node.value(`SELECT pg_catalog.pg_relation_size('public."${table}"')`)
    if (size !== '0') strays.push(`public.${table}: ${size} bytes`)
  }
}

async function rowsOf(client: RawClient, sql: string): Promise<string[][]> {
  const { results } = await client.run(sql)
  return (results.at(-1)?.rows ?? []).map((row) => row.map((value) => value ?? ''))
}
