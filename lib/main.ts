#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Log } from './base/log.ts'
import { probeServers } from './check-command.ts'
import { type Command, readCommandLine, USAGE } from './command-line.ts'
import type { Config } from './config/config.ts'
import { loadConfig } from './config/config-loader.ts'
import { UsageError } from './config/usage-error.ts'
import { type Running, startDev } from './dev-command.ts'
import { clientUrl } from './listening-config.ts'
import { exitOnCrash, stopRequested } from './process-signals.ts'
import { startProxy } from './proxy.ts'

const ExitCode = { ok: 0, failure: 1, usage: 2 } as const

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE)
      break
    case 'version':
      process.stdout.write(`pgloom ${version()}\n`)
      break
    case 'check': {
      const findings = await probeServers(loadConfig(command.configFile).config)
      process.stdout.write(`${findings.join('\n')}\n`)
      break
    }
    case 'serve': {
      const { config, warnings } = loadConfig(command.configFile)
      const log = new Log(config.log.level)
      for (const warning of warnings) log.warn(warning)
      const processes = command.processes ?? processesOf(config)
      await serve(log, () => startServe(config, processes, log))
      break
    }
    case 'dev': {
      const log = new Log('info')
      await serve(log, () => startDev(command, log))
      break
    }
  }
}

/** Until a signal. One that comes during the start is heeded as soon as everything is up and can be stopped. */
async function serve(log: Log, start: () => Promise<Running>): Promise<void> {
  const stopping = stopRequested()
  exitOnCrash(log)
  const running = await start()
  process.stdout.write(`pgloom is ready at ${running.url}\n`)
  const { failed } = running
  try {
    const reason = await Promise.race([stopping, failed])
    log.info('stopping', { reason })
    // SIGINT is for those who sit and wait
    await running.stop(reason === 'SIGINT' ? 'fast' : 'gentle')
  } catch (error) {
    await running.stop('fast')
    throw error
  }
}

async function startServe(config: Config, processes: number, log: Log): Promise<Running> {
  const proxy = await startProxy({ config, log, processes })
  const [database] = config.databases
  return {
    url: clientUrl(config, proxy.port, database?.name ?? ''),
    failed: proxy.failed,
    stop: (how) => proxy.stop(how),
  }
}

function processesOf({ processes }: Config): number {
  return processes === 'auto' ? availableParallelism() : processes
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return (manifest as { readonly version: string }).version
}

try {
  await run(readCommandLine(process.argv.slice(2)))
  // Timers of libraries must not keep a stopped process.
  process.exit(ExitCode.ok)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`pgloom: ${message}\n`)
  process.exit(error instanceof UsageError ? ExitCode.usage : ExitCode.failure)
}
