import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
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
  /** The database is only pooled: pgloom knows of no shards there. */
  readonly isPooledOnly: boolean
  /** Clients don't share server connections: strict transaction pooling. */
  readonly isUnpipelined: boolean
}

/** `pgloom[+pooled][+unpipelined][@main.js]`; `ownMain` is the build that the bench is part of. */
export function readBuild(name: string, ownMain: string): PgloomBuild {
  const [flags = '', path] = name.split('@')
  const [, ...chosen] = flags.split('+')
  const node = `Node ${process.version}`
  return {
    name,
    main: path === undefined ? ownMain : resolve(path),
    version: path === undefined ? `this build, ${node}` : `${resolve(path)}, ${node}`,
    isPooledOnly: chosen.includes('pooled'),
    isUnpipelined: chosen.includes('unpipelined'),
  }
}

/** One process of `pgloom serve` whose coordinator is `server`. */
export async function startPgloom(
  build: PgloomBuild,
  server: ServerAddress,
  parent: string,
  profiles: string | undefined,
): Promise<System> {
  const directory = mkdtempSync(join(parent, 'pgloom-'))
  const port = await freePort()
  const configFile = join(directory, 'pgloom.yaml')
  writeFileSync(configFile, configOf(build, server, port))
  const logFile = join(directory, 'pgloom.log')
  const log = openSync(logFile, 'a')
  const child = startChild(
    process.execPath,
    [...profileOptions(profiles), build.main, 'serve', '--config', configFile],
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

function profileOptions(directory: string | undefined): string[] {
  return directory === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', resolve(directory)]
}

function configOf(
  build: PgloomBuild,
  { host, port: serverPort }: ServerAddress,
  port: number,
): string {
  const coordinator = `coordinator: { host: ${host}, port: ${serverPort} }\n`
  const pooled = `{ name: ${BENCH_DATABASE}, host: ${host}, port: ${serverPort} }`
  const pipeline = build.isUnpipelined ? ', pipeline: off' : ''
  return `
listen: { host: 127.0.0.1, port: ${port}, max_client_conn: ${MAX_CLIENTS} }
processes: 1
http: { port: 0 }
${build.isPooledOnly ? '' : coordinator}
databases: [${build.isPooledOnly ? pooled : BENCH_DATABASE}]
auth: { type: trust }
pool: { default_pool_size: ${POOL_SIZE}${pipeline} }
log: { level: warn }
`
}
