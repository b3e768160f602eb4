import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog } from '../catalog/catalog.ts'

/** FirstNormalObjectId in src/include/access/transam.h: from here on OIDs differ between the nodes. */
export const FIRST_USER_OID = 16384
/** Int32(table OID) Int16(attribute) Int32(type OID) Int16(size) Int32(modifier) Int16(format) */
const FIXED_BYTES = 18

/**
 * Puts the coordinator's OIDs of tables into a server's RowDescription, in place: Byte1('T') Int32 Int16(n)
 * { String(name) and the fixed part }[n]. A user-defined type of another node than the coordinator is refused, since
 * its OID means something else there. Returns the refusal, or undefined.
 */
export function mapRowDescription(
  frame: Buffer,
  start: number,
  end: number,
  nodeId: number,
  catalog: Catalog,
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
    if (!isCoordinator && frame.readUInt32BE(at + 6) >= FIRST_USER_OID) return userTypeRefusal()
    at += FIXED_BYTES
  }
  return undefined
}

function shellOid(catalog: Catalog, nodeId: number, oid: number, isCoordinator: boolean): number {
  const shell = catalog.shellOids.get(`${nodeId}/${oid}`)
  if (shell !== undefined) return shell
  return isCoordinator || oid < FIRST_USER_OID ? oid : 0
}

function userTypeRefusal(): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a result column of a user-defined type cannot come from a shard',
    { hint: 'Cast the column to text, or to another built-in type.' },
  )
}
