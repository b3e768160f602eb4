#!/usr/bin/env node
import { Log } from './base/log.ts'
import { probeServers } from './commands/check-command.ts'
import { type Command, readCommandLine, USAGE } from './commands/command-line.ts'
import { type Running, startDev } from './commands/dev-command.ts'
import { startServe } from './commands/serve-command.ts'
import { loadConfig } from './config/config-loader.ts'
import { UsageError } from './config/usage-error.ts'
import { exitOnCrash, reloadOnSignal, stopRequested } from './processes/process-signals.ts'
import { tellServiceManager } from './processes/service-manager.ts'
import type { StopMode } from './processes/supervisor.ts'
import { packageVersion } from './proxy/package-version.ts'

const NEVER = new Promise<never>(() => undefined)

const ExitCode = { ok: 0, failure: 1, usage: 2 } as const

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE)
      break
    case 'version':
      process.stdout.write(`pgloom ${packageVersion()}\n`)
      break
    case 'check': {
      process.exitCode = await check(command.configFile)
      break
    }
    case 'serve': {
      const { config, warnings } = loadConfig(command.configFile)
      const log = new Log(config.log.level)
      for (const warning of warnings) log.warn(warning)
      await serve(log, () => startServe(command, config, log))
      break
    }
    case 'dev': {
      const log = new Log('info')
      await serve(log, () => startDev(command, log))
      break
    }
  }
}

/** Everything that is wrong, not only the first of it. */
async function check(file: string): Promise<number> {
  const { config, warnings } = loadConfig(file)
  const findings = await probeServers(config)
  const lines = [
    ...warnings.map((warning) => `warning: ${warning}`),
    ...findings.map(({ kind, text }) => `${kind}: ${text}`),
  ]
  process.stdout.write(`${[...lines, ''].join('\n')}`)
  return findings.some(({ kind }) => kind === 'error') ? ExitCode.failure : ExitCode.ok
}

/** Until a signal. One that comes during the start is heeded as soon as everything is up and can be stopped. */
async function serve(log: Log, start: () => Promise<Running>): Promise<void> {
  const signalled = stopRequested()
  exitOnCrash(log)
  const running = await start()
  process.stdout.write(`pgloom is ready at ${running.url}\n`)
  tellServiceManager('ready')
  reloadOnSignal(() => void reload(running))
  // SIGINT is for those who sit and wait
  const stopping = signalled.then((signal): StopMode => (signal === 'SIGINT' ? 'fast' : 'gentle'))
  try {
    const how = await Promise.race([stopping, running.stopAsked, running.failed])
    log.info('stopping', { how })
    tellServiceManager('stopping')
    // a signal hurries those who have time
    await Promise.race([
      running.stop(how),
      stopping.then((hurry) => stopAgain(running, hurry, how)),
    ])
  } catch (error) {
    await running.stop('fast')
    throw error
  }
}

/** What is wrong with the configuration is logged by whoever reads it. */
async function reload(running: Running): Promise<void> {
  tellServiceManager('reloading')
  await running.reload().catch(() => undefined)
  tellServiceManager('ready')
}

async function stopAgain(running: Running, hurry: StopMode, how: StopMode): Promise<void> {
  await (how === 'handed over' || how === 'when clients left' ? running.stop(hurry) : NEVER)
}

try {
  await run(readCommandLine(process.argv.slice(2)))
  // Timers of libraries must not keep a stopped process.
  process.exit(process.exitCode ?? ExitCode.ok)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`pgloom: ${message}\n`)
  process.exit(error instanceof UsageError ? ExitCode.usage : ExitCode.failure)
}
