import { Log } from '../../lib/base/log.ts'
import { startEmbeddedCluster } from '../../lib/embedded/embedded-cluster.ts'

/** Run as a process by test/embedded: starts a cluster, says its postmasters' PIDs, and waits to be killed. */
const [, , dataDirectory = ''] = process.argv
const log = new Log('error')
const cluster = await startEmbeddedCluster({ dataDirectory, workers: 1, database: 'app', log })
const postmasters = cluster.nodes.map(({ postmasterPid }) => postmasterPid)
process.stdout.write(`${JSON.stringify(postmasters)}\n`)
setInterval(() => undefined, 60_000)
