import { type ResultColumn, resultShape } from '../planner/cluster-results.ts'
import type { FunctionPlan } from '../planner/plan.ts'
import type { FieldDescription } from '../wire/row-description.ts'

const TYPES: ReadonlyMap<string, { readonly typeOid: number; readonly typeSize: number }> = new Map(
  [
    ['void', { typeOid: 2278, typeSize: 4 }],
    ['bool', { typeOid: 16, typeSize: 1 }],
    ['int4', { typeOid: 23, typeSize: 4 }],
    ['int8', { typeOid: 20, typeSize: 8 }],
    ['text', { typeOid: 25, typeSize: -1 }],
  ],
)

/** The result of a function that only the proxy knows: no server can be asked. */
export function functionFields({ name }: FunctionPlan): readonly FieldDescription[] {
  const shape = resultShape(name)
  return shape.kind === 'rows' ? shape.columns.map(field) : [field({ name, type: shape.type })]
}

function field({ name, type }: ResultColumn): FieldDescription {
  const known = TYPES.get(type)
  if (known === undefined) throw new Error(`no description of type ${type}`)
  return { name, ...known, tableOid: 0, attributeNumber: 0, typeModifier: -1, format: 0 }
}
