import pg from 'pg'
import type { Test } from 'tap'
import { Log } from '../../lib/base/log.ts'
import { tableKey } from '../../lib/catalog/catalog.ts'
import { CatalogWatcher } from '../../lib/control/catalog-watcher.ts'
import { ControlCommands } from '../../lib/control/cluster-commands.ts'
import {
  installMetadata,
  registerCoordinator,
  registerFirstWorker,
} from '../../lib/control/metadata-schema.ts'
import type { DdlCommand } from '../../lib/planner/ddl-command.ts'
import type { DdlPlan } from '../../lib/planner/plan.ts'
import { connectTo, PlainContext } from './plain-context.ts'

export async function columnOf(client: pg.Client, text: string): Promise<(string | number)[]> {
  return (await client.query({ text, rowMode: 'array' })).rows.map(([value]) => value)
}

export function addressOf(client: pg.Client): { host: string; port: number } {
  return { host: client.host, port: client.port }
}

/** Role and database are `app` on each server; the first is the coordinator, the second its worker, others stay aside. */
export async function commandCluster(t: Test, servers: readonly { host: string; port: number }[]) {
  const database = 'app'
  const user = 'app'
  const clients: pg.Client[] = []
  for (const { host, port } of servers) {
    const client = new pg.Client({ host, port, user, database })
    await client.connect()
    clients.push(client)
    t.teardown(() => client.end())
  }
  const [coordinator, first] = clients
  if (coordinator === undefined) throw new Error('no server')
  await installMetadata(coordinator)
  await registerCoordinator(coordinator, addressOf(coordinator), first === undefined)
  if (first !== undefined) await registerFirstWorker(coordinator, first, addressOf(first))
  const watcher = new CatalogWatcher({
    database,
    coordinator: addressOf(coordinator),
    connection: { user },
    log: new Log('error'),
  })
  await watcher.start()
  const context = new PlainContext(watcher.current(), () => ({ database, user }))
  t.teardown(() => watcher.stop())
  t.teardown(() => context.close())
  const commands = new ControlCommands({
    recover: async () => 0,
    findDeadlocks: async () => false,
    counters: {
      read: async () => ({
        established: 0,
        failed: 0,
        reused: 0,
        singleShard: 0,
        multiShard: 0,
        resetAtMs: undefined,
        silent: [],
      }),
      reset: async () => undefined,
    },
    statistics: {
      statements: async () => ({ rows: [], silent: [] }),
      tenants: async () => ({ rows: [], silent: [] }),
      reset: async () => undefined,
    },
    connectNode: (node) => connectTo(node, { database, user }),
  })
  const execution = {
    text: Buffer.alloc(0),
    parameters: { types: [], formats: [], values: [] },
    resultFormats: [],
    sendsRowDescription: true,
    maxRows: 0,
  }

  async function call(name: string, ...args: readonly (string | readonly [string, string])[]) {
    const plan = {
      kind: 'function' as const,
      name,
      arguments: args.map((arg) =>
        typeof arg === 'string' ? { name: undefined, text: arg } : { name: arg[0], text: arg[1] },
      ),
      parameters: [],
      inFrom: false,
    }
    try {
      return await commands.callFunction(plan, context, execution)
    } finally {
      context.catalog = await watcher.refresh()
    }
  }

  function tableNamed(name: string) {
    const table = context.catalog.tables.get(tableKey('public', name))
    if (table === undefined) throw new Error(`no table ${name}`)
    return table
  }

  /** `@name` marks where a cluster table is named. */
  async function ddl(
    command: DdlCommand,
    marked: string,
    names: readonly string[] = [],
    indexNames: DdlPlan['indexNames'] = [],
  ) {
    const splices: { start: number; end: number; table: ReturnType<typeof tableNamed> }[] = []
    const text = marked.replace(/@(\w+)/g, (_, name: string, offset: number) => {
      const start = offset - splices.length
      splices.push({ start, end: start, table: tableNamed(name) })
      return name
    })
    const tables = [...splices.map(({ table }) => table), ...names.map(tableNamed)]
    const plan: DdlPlan = { kind: 'ddl', command, tables, splices, indexNames }
    try {
      return await commands.runDdl(plan, context, { ...execution, text: Buffer.from(text) })
    } finally {
      context.catalog = await watcher.refresh()
    }
  }

  return { clients, context, commands, call, ddl, tableNamed }
}
