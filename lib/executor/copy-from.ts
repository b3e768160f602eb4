import { RouterError } from '../base/errors.ts'
import type { CopyPlan } from '../planner/plan.ts'
import { Backend } from '../wire/message-codes.ts'
import { CopyInStream } from './copy-in-stream.ts'
import { copyData } from './distribute-rows.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import { PositionMap } from './position-map.ts'
import { relayedRows } from './relayed-rows.ts'
import { retarget, throughScratch } from './scratch-insert.ts'
import type { AnswerReader } from './server-answer.ts'

/**
 * COPY … FROM STDIN into a cluster table: the client's own COPY fills a scratch table on the coordinator, so that formats,
 * defaults, errors and their line numbers are Postgres'; the rows then go to where they belong.
 */
export function runCopyFrom(
  plan: CopyPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  return throughScratch(plan.table, context, async (coordinator, scratch) => {
    const positions = new PositionMap()
    const text = retarget(execution, plan.target, scratch, '', positions)
    const mending = { positions, alias: scratch.alias }
    const relayed = relayedRows(coordinator, context, false, mending)
    const started = new StartSignal()
    const message: AnswerReader['message'] = (type, chunk, start, end) => {
      relayed.message?.(type, chunk, start, end)
      if (type === Backend.copyInResponse) started.resolve()
    }
    const reader = { ...relayed, message }
    const stream = new CopyInStream(coordinator, text, { signal: context.signal, reader, mending })
    await Promise.race([started.promise, stream.ended])
    return `COPY ${await pump(stream, context)}`
  })
}

class StartSignal {
  readonly promise: Promise<void>
  resolve: () => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve
    })
  }
}

/** The client's data as they come; a client that gives up is told so by the server, in Postgres' own words. */
async function pump(stream: CopyInStream, { client, signal }: StatementContext): Promise<number> {
  try {
    for await (const body of client.copyData()) {
      signal.throwIfAborted()
      await stream.write(copyData(body))
    }
    signal.throwIfAborted()
    return await stream.finish()
  } catch (error) {
    await stream.abort(error instanceof RouterError ? error.message : 'canceled')
    throw error
  }
}
