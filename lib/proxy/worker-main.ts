import { Log } from '../base/log.ts'
import type { Config } from '../config/config.ts'
import { watchDescriptors } from '../processes/descriptor-limit.ts'
import { exitOnCrash, ignoreStopSignals } from '../processes/process-signals.ts'
import { runWorker } from '../processes/worker-host.ts'
import { Router } from './router.ts'

/** One worker of a proxy of many processes; its primary (processes/primary.ts) starts it. */

ignoreStopSignals()
let router: Router | undefined

runWorker(process, {
  start: async (host, json) => {
    const config = json as unknown as Config
    const log = new Log(config.log.level, { process: host.across.processNumber })
    exitOnCrash(log)
    watchDescriptors(log)
    router = await Router.start(config, log, host)
  },
  reload: async (json) => await router?.reload(json as unknown as Config),
  drain: async (drain) => await router?.stop(drain),
})
