import { availableParallelism } from 'node:os'
import type { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { UsageError } from '../config/usage-error.ts'
import { ControlSocket } from '../processes/control-socket.ts'
import {
  controlSocketPath,
  defaultRuntimeDirectory,
  openRuntimeDirectory,
} from '../processes/runtime-directory.ts'
import { SupervisorPost } from '../processes/supervisor.ts'
import { Predecessor } from '../processes/takeover.ts'
import { ConfigReloader } from '../proxy/config-reloader.ts'
import { clientUrl } from '../proxy/listening-config.ts'
import { type RunningProxy, startProxy } from '../proxy/proxy.ts'
import type { CancelKey } from '../session/client/cancel-keys.ts'
import { TakenSockets } from '../session/client/listening-ports.ts'
import type { ServeArguments } from './command-line.ts'
import type { Running } from './dev-command.ts'

/** `pgloom serve`: the proxy, in one process or many, in the place of another one where that was asked for. */
export async function startServe(args: ServeArguments, config: Config, log: Log): Promise<Running> {
  const predecessor = args.takesOver ? await findPredecessor(config, log) : undefined
  const reloader = new ConfigReloader(args.configFile, config, log)
  const supervisor = new SupervisorPost(reloader)
  let taken: TakenSockets | undefined
  const takeSockets = async () => {
    taken = await predecessor?.sockets()
    return taken ?? new TakenSockets()
  }
  const processes = args.processes ?? processesOf(config)
  let proxy: RunningProxy
  try {
    const foreignKey = (key: CancelKey) => predecessor?.cancel(key)
    proxy = await startProxy({ config, log, processes, supervisor, foreignKey, takeSockets })
  } catch (error) {
    predecessor?.leave()
    throw error
  }
  taken?.closeRest()
  reloader.serve(proxy)
  const control = await openControlSocket(config, proxy, log)
  void control?.taken.then(() => supervisor.stop('handed over'))
  predecessor?.release()
  const [database] = config.databases
  return {
    url: clientUrl(config, proxy.port, database?.name ?? ''),
    failed: proxy.failed,
    stopAsked: supervisor.stopAsked,
    reload: () => supervisor.reload(),
    stop: async (how) => {
      control?.close()
      await proxy.stop(how)
    },
  }
}

async function findPredecessor(config: Config, log: Log): Promise<Predecessor | undefined> {
  const { port } = config.listen
  if (port === 0) throw new UsageError('--takeover needs a port other than 0')
  const path = controlSocketPath(runtimeDirectory(config), port)
  const predecessor = await Predecessor.find(path)
  if (predecessor === undefined)
    log.info('there is nothing to take over: an ordinary start', { path })
  return predecessor
}

/** Without it the proxy serves all the same; it only can't be taken over. */
async function openControlSocket(
  config: Config,
  proxy: RunningProxy,
  log: Log,
): Promise<ControlSocket | undefined> {
  const directory = runtimeDirectory(config)
  const path = controlSocketPath(directory, proxy.port)
  try {
    openRuntimeDirectory(directory)
    return await ControlSocket.open({
      path,
      held: () => proxy.held(),
      cancel: (key) => proxy.cancel(key),
      log,
    })
  } catch (error) {
    log.warn('no other process can take over from this one', { path, error })
    return undefined
  }
}

function runtimeDirectory({ runtime_dir }: Config): string {
  return runtime_dir ?? defaultRuntimeDirectory()
}

function processesOf({ processes }: Config): number {
  return processes === 'auto' ? availableParallelism() : processes
}
