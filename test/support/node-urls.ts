import { RawClient } from './raw-client.ts'
import { until } from './until.ts'

/** Superuser's addresses of all nodes, as the metadata behind a proxy name them. */
export async function nodeUrls(proxyUrl: string): Promise<string[]> {
  const client = await RawClient.connect(proxyUrl)
  try {
    const { results } = await client.run('SELECT nodename, nodeport FROM pgloom.pg_dist_node')
    return (results.at(-1)?.rows ?? []).map(
      ([host, port]) => `postgres://postgres@${host}:${port}/app`,
    )
  } finally {
    client.close()
  }
}

/** The one value that a statement gives on a node, straight. */
export async function valueOn(url: string, sql: string): Promise<string | null> {
  const client = await RawClient.connect(url)
  try {
    return await client.value(sql)
  } finally {
    client.close()
  }
}

const PREPARED = 'SELECT count(*) FROM pg_catalog.pg_prepared_xacts'

/** Recovery must have finished what killed proxies left behind. */
export async function untilNothingPrepared(
  urls: readonly string[],
  deadlineMs: number,
): Promise<void> {
  await until('no prepared transaction is left', deadlineMs, async () => {
    const counts = await Promise.all(urls.map((url) => valueOn(url, PREPARED)))
    return counts.every((count) => count === '0')
  })
}
