import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Log } from '../../lib/base/log.ts'
import { startEmbeddedCluster } from '../../lib/embedded/embedded-cluster.ts'
import { isAlive } from '../../lib/embedded/process-identity.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'

const log = new Log('error')
const HOLDER = join(import.meta.dirname, '../support/cluster-holder.js')

type Held = { readonly holder: ChildProcess; readonly postmasters: readonly number[] }

/** A process of its own that starts a cluster, says its postmasters' PIDs, and waits to be killed. */
async function holdCluster(dataDirectory: string): Promise<Held> {
  const { NODE_OPTIONS: _ofTap, ...env } = process.env
  const holder = spawn(process.execPath, [HOLDER, dataDirectory], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(holder.stdout), 'line')
  return { holder, postmasters: JSON.parse(String(line)) as number[] }
}

async function untilDead(pids: readonly number[]): Promise<boolean> {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    if (!pids.some(isAlive)) return true
    await delay(20)
  }
  return false
}

async function killed(process: ChildProcess): Promise<void> {
  process.kill('SIGKILL')
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit')
}

t.test('an embedded cluster', async (t) => {
  t.test('starts twice at once, also in a directory with spaces and quotes', async (t) => {
    const parent = temporaryDirectory(t)
    const directories = [join(parent, `it's "a" dir`), join(parent, 'other')]
    const clusters = await Promise.all(
      directories.map((dataDirectory) =>
        startEmbeddedCluster({ dataDirectory, workers: 1, database: 'my "db', log }),
      ),
    )
    t.teardown(() => Promise.all(clusters.map((cluster) => cluster.stop())).then(() => undefined))
    const ports = clusters.flatMap(({ nodes }) => nodes.map(({ port }) => port))
    t.equal(new Set(ports).size, 4)
  })

  t.test('keeps a second one off its directory, and forgets no worker', async (t) => {
    const dataDirectory = temporaryDirectory(t)
    const start = (workers: number | undefined) =>
      startEmbeddedCluster({ dataDirectory, workers, database: 'app', log })
    const cluster = await start(1)
    t.teardown(() => cluster.stop())
    await t.rejects(start(1), { message: /is in use by pgloom process \d+/ })
    const postmasters = cluster.nodes.map(({ postmasterPid }) => postmasterPid)
    await cluster.stop()
    t.notOk(postmasters.some(isAlive))
    await t.rejects(start(0), { message: /has 1 workers .* --workers 1 or more/ })
  })

  t.test('leaves no server behind when its process is killed', async (t) => {
    const { holder, postmasters } = await holdCluster(temporaryDirectory(t))
    t.ok(postmasters.every(isAlive))
    await killed(holder)
    t.ok(await untilDead(postmasters))
  })

  t.test('ends the servers of a killed run, and takes its lock over', async (t) => {
    const dataDirectory = temporaryDirectory(t)
    const { holder, postmasters } = await holdCluster(dataDirectory)
    // Stopped, the watchdog can't do its work, as if it had been killed too.
    const stopped = watchdogs(holder)
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    await killed(holder)
    const cluster = await startEmbeddedCluster({
      dataDirectory,
      workers: undefined,
      database: 'app',
      log,
    })
    t.teardown(() => cluster.stop())
    for (const pid of stopped) process.kill(pid, 'SIGKILL')
    t.ok(await untilDead(postmasters))
    t.equal(cluster.nodes.length, postmasters.length)
  })

  t.test('removes a stale postmaster.pid even if its PID is now another process', async (t) => {
    const dataDirectory = temporaryDirectory(t)
    const options = { dataDirectory, workers: 0, database: 'app', log }
    const first = await startEmbeddedCluster(options)
    const [node] = first.nodes
    await first.stop()
    const file = join(node?.dataDirectory ?? '', 'postmaster.pid')
    writeFileSync(file, `${process.pid}\n${node?.dataDirectory}\n`)
    const second = await startEmbeddedCluster(options)
    await second.stop()
    t.equal(second.nodes.length, 1)
  })

  t.test('says what is wrong with its binaries or its directory', async (t) => {
    const parent = temporaryDirectory(t)
    const start = (dataDirectory: string, postgresBin?: string) =>
      startEmbeddedCluster({ dataDirectory, workers: 0, database: 'app', postgresBin, log })
    await t.rejects(start(join(parent, 'a'), join(parent, 'no bin')), {
      message: /cannot run postgres in .*no bin/,
    })
    writeFileSync(join(parent, 'file'), '')
    await t.rejects(start(join(parent, 'file')), { message: /cannot use the data directory/ })
    mkdirSync(join(parent, 'old/nodes/coordinator'), { recursive: true })
    writeFileSync(join(parent, 'old/nodes/coordinator/PG_VERSION'), '12\n')
    await t.rejects(start(join(parent, 'old')), { message: /made by Postgres 12, but/ })
  })
})

/** The shells that the holder started: Linux only, which is where this is tested. */
function watchdogs(holder: ChildProcess): readonly number[] {
  const path = `/proc/${holder.pid}/task/${holder.pid}/children`
  const children = readFileSync(path, 'utf8').trim().split(' ').map(Number)
  return children.filter((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('pgloom-watchdog'),
  )
}
