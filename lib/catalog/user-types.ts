import { tableKey } from './catalog.ts'

/** How a binary value is made; plain ones hold no other values. */
export type TypeForm = 'plain' | 'array' | 'composite' | 'range' | 'multirange' | 'domain'

/** A type as one node has it. `of`: the element, the bounds, the range, what the domain is made of; 0: nothing. */
export type NodeType = readonly [
  schema: string,
  name: string,
  oid: number,
  form: TypeForm,
  of: number,
]

/** OIDs on the coordinator. */
export type ValueForm = { readonly form: TypeForm; readonly of: number }

export type UserTypes = {
  /** Key `nodeId/oid of the type on that node` -> OID on the coordinator. */
  readonly onCoordinator: ReadonlyMap<string, number>
  /** Key `nodeId/OID on the coordinator` -> OID on that node. */
  readonly onNode: ReadonlyMap<string, number>
  /** OIDs on the coordinator of all those types. */
  readonly shared: ReadonlySet<number>
  /** Of those whose binary values hold OIDs of types, which mean something else elsewhere. By OID on the coordinator. */
  readonly carriers: ReadonlyMap<number, ValueForm>
}

/** Types are the same if their names are: it was seen to when the second one was made. */
export function userTypesOf(
  typesOfNodes: ReadonlyMap<number, readonly NodeType[]>,
  coordinatorId: number,
): { readonly userTypes?: UserTypes } {
  const own = new Map<string, NodeType>()
  const byOid = new Map<number, NodeType>()
  for (const type of typesOfNodes.get(coordinatorId) ?? []) {
    own.set(tableKey(type[0], type[1]), type)
    byOid.set(type[2], type)
  }
  const onCoordinator = new Map<string, number>()
  const onNode = new Map<string, number>()
  const carriers = new Map<number, ValueForm>()
  const shared = new Set<number>()
  for (const [nodeId, types] of typesOfNodes) {
    if (nodeId === coordinatorId) continue
    for (const [schema, name, oid] of types) {
      const type = own.get(tableKey(schema, name))
      if (type === undefined) continue
      const [, , ownOid, form, of] = type
      onCoordinator.set(`${nodeId}/${oid}`, ownOid)
      onNode.set(`${nodeId}/${ownOid}`, oid)
      shared.add(ownOid)
      if (carriesOids(type, byOid)) carriers.set(ownOid, { form, of })
    }
  }
  return onNode.size === 0 ? {} : { userTypes: { onCoordinator, onNode, shared, carriers } }
}

/** Arrays and composites name the types of what is in them. */
function carriesOids(type: NodeType, byOid: ReadonlyMap<number, NodeType>): boolean {
  const [, , , form, of] = type
  if (form === 'array' || form === 'composite') return true
  const inner = byOid.get(of)
  return inner !== undefined && carriesOids(inner, byOid)
}
