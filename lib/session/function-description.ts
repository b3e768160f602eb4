import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { FunctionPlan } from '../planner/plan.ts'
import type { StatementDescription } from './statement-description.ts'

const TEXT_OID = 25
const VOID = { typeOid: 2278, typeSize: 4 }
const INTEGER = { typeOid: 23, typeSize: 4 }
const BIGINT = { typeOid: 20, typeSize: 8 }

/** Result types of the cluster functions that give one column. */
const RESULTS: ReadonlyMap<string, { readonly typeOid: number; readonly typeSize: number }> =
  new Map([
    ['create_distributed_table', VOID],
    ['create_reference_table', VOID],
    ['undistribute_table', VOID],
    ['citus_set_coordinator_host', VOID],
    ['citus_remove_node', VOID],
    ['citus_add_node', INTEGER],
    ['get_shard_id_for_distribution_column', BIGINT],
  ])

/** Describe of a function that only the proxy knows: no server can be asked. */
export function describeFunction({ name, parameters }: FunctionPlan): StatementDescription {
  const result = RESULTS.get(name)
  if (result === undefined) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `${name}() is not supported in the extended query protocol`,
      { hint: 'Send it as a simple query, without parameters.' },
    )
  }
  const count = Math.max(0, ...parameters)
  const rest = { tableOid: 0, attributeNumber: 0, typeModifier: -1, format: 0 }
  return {
    parameterTypes: new Array<number>(count).fill(TEXT_OID),
    fields: [{ name, ...result, ...rest }],
  }
}
