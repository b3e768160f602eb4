import { setMaxListeners } from 'node:events'

/** Each request of a statement listens until it has ended, and a COPY to many shards has one for each, pipelined. */
export function makeAbort(): AbortController {
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  return abort
}
