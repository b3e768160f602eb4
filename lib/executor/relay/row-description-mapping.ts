import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { type Catalog, oidKey } from '../../catalog/catalog.ts'

/** FirstNormalObjectId in src/include/access/transam.h: from here on OIDs differ between the nodes. */
export const FIRST_USER_OID = 16384
/** Int32(table OID) Int16(attribute) Int32(type OID) Int16(size) Int32(modifier) Int16(format) */
const FIXED_BYTES = 18
export const RECORD = 2249
export const RECORD_ARRAY = 2287

/**
 * Puts the coordinator's OIDs of tables and types into a server's RowDescription, in place: Byte1('T') Int32 Int16(n)
 * { String(name) and the fixed part }[n]. Types that only that node has are refused, and binary forms that hold such
 * OIDs themselves unless `mapsValues`: they are mapped elsewhere. Returns the refusal, or undefined.
 */
export function mapRowDescription(
  frame: Buffer,
  start: number,
  end: number,
  nodeId: number,
  catalog: Catalog,
  mapsValues = false,
): RouterError | undefined {
  const isCoordinator = catalog.nodes[0]?.nodeId === nodeId
  let lastOid = 0
  let lastShell = 0
  let at = start + 7
  while (at < end) {
    at = frame.indexOf(0, at) + 1
    if (at === 0 || at + FIXED_BYTES > end) break
    const tableOid = frame.readUInt32BE(at)
    if (tableOid !== 0) {
      if (tableOid !== lastOid) {
        lastOid = tableOid
        lastShell = shellOid(catalog, nodeId, tableOid, isCoordinator)
      }
      if (lastShell !== tableOid) frame.writeUInt32BE(lastShell, at)
    }
    if (!isCoordinator && !mapType(frame, at, nodeId, catalog, mapsValues)) {
      return userTypeRefusal()
    }
    at += FIXED_BYTES
  }
  return undefined
}

/** `at`: of the field's fixed part. false: it can't be mapped. */
function mapType(
  frame: Buffer,
  at: number,
  nodeId: number,
  catalog: Catalog,
  mapsValues: boolean,
): boolean {
  const typeOid = frame.readUInt32BE(at + 6)
  if (!isUserType(typeOid)) return true
  const own = typeOnCoordinator(catalog, nodeId, typeOid)
  if (own === undefined) return false
  const isBinary = frame.readInt16BE(at + 16) === 1
  if (isBinary && !mapsValues && holdsForeignOids(catalog, own)) return false
  frame.writeUInt32BE(own, at + 6)
  return true
}

/** The OID that clients know; undefined: only that other node has such a type. */
export function typeOnCoordinator(
  { userTypes, nodes }: Pick<Catalog, 'userTypes' | 'nodes'>,
  nodeId: number,
  typeOid: number,
): number | undefined {
  if (typeOid < FIRST_USER_OID || nodes[0]?.nodeId === nodeId) return typeOid
  return userTypes?.onCoordinator.get(`${nodeId}/${typeOid}`)
}

/** One whose OID differs from node to node, or that may hold some. */
export function isUserType(typeOid: number): boolean {
  return typeOid >= FIRST_USER_OID || isRowType(typeOid)
}

/** Anonymous rows: what their columns are stands in the values. */
export function isRowType(typeOid: number): boolean {
  return typeOid === RECORD || typeOid === RECORD_ARRAY
}

/** true: a binary value of this type of the coordinator's, from another node, may be misread. */
export function holdsForeignOids(
  { userTypes }: Pick<Catalog, 'userTypes'>,
  typeOid: number,
): boolean {
  if (userTypes === undefined) return false
  if (typeOid < FIRST_USER_OID) return isUserType(typeOid)
  return userTypes.carriers.has(typeOid) || !userTypes.shared.has(typeOid)
}

/** Parameter types as the client declared them, for another node; 0 where that has none such: its own inference. */
export function parameterTypesOn(
  nodeId: number,
  types: readonly number[],
  { nodes, userTypes }: Pick<Catalog, 'nodes' | 'userTypes'>,
): readonly number[] {
  if (nodes[0]?.nodeId === nodeId || types.every((oid) => oid < FIRST_USER_OID)) return types
  return types.map((oid) =>
    oid < FIRST_USER_OID ? oid : (userTypes?.onNode.get(`${nodeId}/${oid}`) ?? 0),
  )
}

function shellOid(catalog: Catalog, nodeId: number, oid: number, isCoordinator: boolean): number {
  const { shellOids } = catalog
  const shell = shellOids.size === 0 ? undefined : shellOids.get(oidKey(nodeId, oid))
  if (shell !== undefined) return shell
  return isCoordinator || oid < FIRST_USER_OID ? oid : 0
}

export function userTypeRefusal(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a result column of this user-defined type cannot come from a shard',
    { hint: 'Ask for it in text format, or cast the column to text or to another built-in type.' },
  )
}
