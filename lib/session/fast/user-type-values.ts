import type { Catalog } from '../../catalog/catalog.ts'
import { isUserType } from '../../executor/relay/row-description-mapping.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'

/** What their OIDs are called on other nodes is seen to elsewhere. */
export function usesUserTypes(
  { userTypes }: Pick<Catalog, 'userTypes'>,
  { description, types }: PreparedStatement,
): boolean {
  if (userTypes === undefined) return false
  if (types.some(isUserType) || description?.parameterTypes.some(isUserType) === true) return true
  return description?.fields?.some(({ typeOid }) => isUserType(typeOid)) === true
}
