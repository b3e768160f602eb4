import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../lib/embedded/free-port.ts'
import { startChild, stopChild } from './child-processes.ts'
import {
  BENCH_DATABASE,
  MAX_CLIENTS,
  POOL_SIZE,
  type ServerAddress,
  type System,
} from './system.ts'
import { untilAccepting } from './until-accepting.ts'

export type PgloomBuild = {
  readonly name: string
  /** Its main.js. */
  readonly main: string
  /** For the report. */
  readonly version: string
}

/** One process of `pgloom serve` whose coordinator is `server`. */
export async function startPgloom(
  build: PgloomBuild,
  server: ServerAddress,
  parent: string,
): Promise<System> {
  const directory = mkdtempSync(join(parent, 'pgloom-'))
  const port = await freePort()
  const configFile = join(directory, 'pgloom.yaml')
  writeFileSync(configFile, configOf(server, port))
  const logFile = join(directory, 'pgloom.log')
  const log = openSync(logFile, 'a')
  const child = startChild(
    process.execPath,
    [build.main, 'serve', '--config', configFile],
    // Node's own options would be the bench's, and npm's variable would tie the process to npm's shell.
    {
      stdio: ['ignore', log, log],
      env: { ...process.env, NODE_OPTIONS: '', npm_execpath: undefined },
    },
  )
  await untilAccepting(build.name, port, child, () => readFileSync(logFile, 'utf8'))
  return {
    name: build.name,
    port,
    pid: child.pid,
    version: build.version,
    refuses: () => undefined,
    stop: () => stopChild(child, 'SIGTERM'),
  }
}

function configOf(server: ServerAddress, port: number): string {
  return `
listen: { host: 127.0.0.1, port: ${port}, max_client_conn: ${MAX_CLIENTS} }
processes: 1
http: { port: 0 }
coordinator: { host: ${server.host}, port: ${server.port} }
databases: [${BENCH_DATABASE}]
auth: { type: trust }
pool: { default_pool_size: ${POOL_SIZE} }
log: { level: warn }
`
}
