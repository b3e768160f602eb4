import type { DistinctExchange } from '../../planner/distinct-exchange-plan.ts'
import type { ScatterSelect, ShardText, WorkerQuery } from '../../planner/plan.ts'
import { broadcastName } from '../../planner/pull/broadcast-plans.ts'
import type { NodeTable } from './broadcast-tables.ts'

/** The plan with the names that the tables have this time. */
export function withNames(scatter: ScatterSelect, tables: readonly NodeTable[]): ScatterSelect {
  const { worker, combine, distinctExchange } = scatter
  const gathered = combine?.gathered
  const exact = () => {
    const other = gathered?.()
    if (other === undefined) throw new Error('there is no exact alternative')
    return other.kind === 'scatter' ? withNames(other, tables) : other
  }
  return {
    ...scatter,
    worker: workerWithNames(worker, tables),
    combine: combine && { ...combine, gathered: gathered && exact },
    ...(distinctExchange && {
      distinctExchange: () => exchangeWithNames(distinctExchange(), tables),
    }),
  }
}

function exchangeWithNames(
  exchange: DistinctExchange | undefined,
  tables: readonly NodeTable[],
): DistinctExchange | undefined {
  if (exchange === undefined) return undefined
  const { groups, workers } = exchange
  const named = (one: WorkerQuery) => ({ ...one, worker: workerWithNames(one.worker, tables) })
  return {
    ...exchange,
    groups: groups && named(groups),
    workers: (parts) => {
      const { values, distinct } = workers(parts)
      return { values: named(values), distinct: distinct && named(distinct) }
    },
  }
}

/** In the hole before a split table's name its shard's goes, which is then the name. */
function workerWithNames(
  { pieces, holeTables }: ShardText,
  tables: readonly NodeTable[],
): ShardText {
  const texts = pieces.map((piece) => piece.toString())
  const holes = holeTables.map((planned, hole) => {
    const index = tables.findIndex(
      ({ split }, at) => split !== undefined && planned.name === broadcastName(at),
    )
    const split = tables[index]?.split
    if (planned.schema !== 'pg_temp' || split === undefined) return planned
    texts[hole] += 'pg_temp.'
    texts[hole + 1] = withoutStart(texts[hole + 1] ?? '', `.${planned.name}`)
    return split
  })
  const named = texts.map((text) =>
    tables.reduce(
      (sofar, { name }, index) =>
        sofar.replaceAll(broadcastName(index), name.slice(name.indexOf('.') + 1)),
      text,
    ),
  )
  return { pieces: named.map((text) => Buffer.from(text)), holeTables: holes }
}

function withoutStart(text: string, start: string): string {
  if (!text.startsWith(start)) throw new Error(`no ${start} after a shard's place`)
  return text.slice(start.length)
}
