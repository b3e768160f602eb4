import { RouterError } from '../../base/errors.ts'
import type { CopyPlan } from '../../planner/plan.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { PositionMap } from '../relay/position-map.ts'
import { copyData } from '../write/distribute-rows.ts'
import { retarget, throughScratch } from '../write/scratch-insert.ts'
import { CopyInStream } from './copy-in-stream.ts'
import { relayedStart } from './copy-start.ts'
import { splitCopy } from './split/split-copy.ts'

/** COPY … FROM STDIN into a cluster table: rows go straight to their shards where their keys can be read, else through scratch. */
export function runCopyFrom(
  plan: CopyPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { table, rows } = plan
  if (table.kind !== 'distributed' || rows === undefined) {
    return copyThroughScratch(plan, execution, context)
  }
  return context.atomically(
    async () =>
      (await splitCopy(plan, table, rows, execution, context)) ??
      (await copyThroughScratch(plan, execution, context)),
  )
}

/**
 * The client's own COPY fills a scratch table on the coordinator, so that formats, defaults, errors and their line numbers are
 * Postgres'; the rows then go to where they belong.
 */
function copyThroughScratch(
  plan: CopyPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  return throughScratch(plan.table, context, async (coordinator, scratch) => {
    const positions = new PositionMap()
    const text = retarget(execution, plan.target, scratch, '', positions, plan.qualifiers)
    const mending = { positions, aliases: [scratch.alias] }
    const { reader, started } = relayedStart(coordinator, context, mending)
    const stream = new CopyInStream(coordinator, text, { signal: context.signal, reader, mending })
    await Promise.race([started, stream.ended])
    return `COPY ${await pump(stream, context)}`
  })
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
