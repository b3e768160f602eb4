import type { BackendConnection } from '../backend/backend-connection.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import { writeDescribe, writeParse, writeSync } from '../wire/frontend-messages.ts'
import { Backend } from '../wire/message-codes.ts'
import { readParameterDescription } from '../wire/row-description.ts'
import type { Parameters, StatementContext } from './ports.ts'
import { parameterTypesOn } from './relay/row-description-mapping.ts'
import { ValueOids } from './relay/value-oids.ts'
import { ServerAnswer } from './server-answer.ts'

/**
 * The parameters with all their types known, as the coordinator infers them from the whole statement on the shells: a
 * part of the statement may not use them all, and then could not be parsed.
 */
export async function withInferredTypes(
  coordinator: BackendConnection,
  text: Buffer,
  parameters: Parameters,
): Promise<Parameters> {
  const count = parameters.values.length
  if (count === 0) return parameters
  const isKnown = parameters.types.length === count && !parameters.types.includes(0)
  if (isKnown) return parameters
  let types: readonly number[] = []
  const answer = new ServerAnswer({
    message: (type, chunk, start, end) => {
      if (type === Backend.parameterDescription) {
        types = readParameterDescription(chunk.subarray(start, end))
      }
    },
  })
  coordinator.open(answer)
  writeParse(coordinator.out, { name: '', text, parameterTypes: parameters.types })
  writeDescribe(coordinator.out, { kind: 'statement', name: '' })
  writeSync(coordinator.out)
  coordinator.flush()
  await answer.completed()
  return { ...parameters, types }
}

/** The parameters as another node than the coordinator must be told of them. */
export function parametersFor(
  { node }: BackendConnection,
  { parameters }: { readonly parameters: Parameters },
  { catalog }: Pick<StatementContext, 'catalog'>,
): Parameters {
  const types = parameterTypesOn(node.nodeId, parameters.types, catalog)
  if (types === parameters.types) return parameters
  const { formats } = parameters
  const from = coordinatorOf(catalog).nodeId
  const oids = ValueOids.between(from, node.nodeId, parameters.types, catalog)
  const isBinary = (index: number) => formats[formats.length === 1 ? 0 : index] === 1
  const values = oids?.mapValues(parameters.values, isBinary) ?? parameters.values
  return { types, formats, values }
}
