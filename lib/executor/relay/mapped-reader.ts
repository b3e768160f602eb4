import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { Backend } from '../../wire/message-codes.ts'
import { readRowDescription } from '../../wire/row-description.ts'
import type { AnswerReader } from '../server-answer.ts'
import { answerOids, type ValueOids } from './value-oids.ts'

/**
 * A reader whose rows hold the coordinator's OIDs, whatever node they come from. The node must be asked for RowDescription where
 * results come in binary and users have made types.
 */
export function mappedReader(
  reader: AnswerReader,
  { node }: BackendConnection,
  resultFormats: readonly number[],
  catalog: Catalog,
): AnswerReader {
  const isForeign = catalog.userTypes !== undefined && catalog.nodes[0]?.nodeId !== node.nodeId
  if (!isForeign || !resultFormats.includes(1)) return reader
  let oids: ValueOids | undefined
  const { run, row } = reader
  return {
    ...reader,
    message: (type, chunk, start, end) => {
      if (type === Backend.rowDescription) {
        oids = answerOids(node.nodeId, readRowDescription(chunk.subarray(start, end)), catalog)
      }
      reader.message?.(type, chunk, start, end)
    },
    ...(row === undefined
      ? {}
      : {
          row: (chunk, start, end) => {
            oids?.mapMessages(chunk, start, end)
            row(chunk, start, end)
          },
        }),
    ...(run === undefined
      ? {}
      : {
          hasWholeRuns: true,
          run: (chunk, start, end) => {
            oids?.mapMessages(chunk, start, end)
            return run(chunk, start, end)
          },
        }),
  }
}
