import type { CombineQuery, ScatterSelect } from '../../planner/plan.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'

/** The shards' rows as they are. */
export function plainRows({ rowLimit }: Pick<ScatterSelect, 'rowLimit'>): CombineQuery {
  const limit = rowLimit === undefined ? '' : ` LIMIT ${rowLimit}`
  return {
    text: (source, _types, names) => {
      const outputs = names.map((name, index) => `s.c${index + 1} AS ${quoteIdentifier(name)}`)
      return `SELECT ${outputs.join(', ')} FROM ${source}${limit}`
    },
    parameters: [],
    usesTransactionTime: false,
    inexactTypes: [],
    gathered: undefined,
  }
}
