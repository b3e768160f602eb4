import type { BackendConnection } from '../backend/backend-connection.ts'
import type { FieldDescription } from '../wire/row-description.ts'
import { query } from './node-client.ts'
import { FIRST_USER_OID } from './relay/row-description-mapping.ts'

export type ColumnType = {
  /** Element type for an array parameter, for example `bpchar`. */
  readonly plainName: string
  /** With its modifier, for example `numeric(10,2)`. */
  readonly name: string
  /** Has an array type of its own that unnest() takes apart into single values again. */
  readonly fitsArray: boolean
}

/** Built-in types never change. Key: `oid/modifier`. */
const builtIn = new Map<string, ColumnType>()
const MAX_REMEMBERED = 10_000

/** The names of the columns' types, as the coordinator gives them. One round trip for those not yet known. */
export async function columnTypes(
  coordinator: BackendConnection,
  fields: readonly FieldDescription[],
): Promise<ColumnType[]> {
  const found = new Map<string, ColumnType>()
  const unknown = new Map<string, FieldDescription>()
  for (const field of fields) {
    const type = builtIn.get(keyOf(field))
    if (type === undefined) unknown.set(keyOf(field), field)
    else found.set(keyOf(field), type)
  }
  if (unknown.size > 0) await ask(coordinator, unknown, found)
  return fields.map((field) => {
    const type = found.get(keyOf(field))
    if (type === undefined) throw new Error(`the coordinator does not know type ${field.typeOid}`)
    return type
  })
}

function keyOf({ typeOid, typeModifier }: FieldDescription): string {
  return `${typeOid}/${typeModifier}`
}

async function ask(
  coordinator: BackendConnection,
  unknown: ReadonlyMap<string, FieldDescription>,
  found: Map<string, ColumnType>,
): Promise<void> {
  const pairs = [...unknown.values()].map(
    ({ typeOid, typeModifier }) => `(${typeOid}, ${typeModifier})`,
  )
  const { rows } = await query(
    coordinator,
    `SELECT v.o || '/' || v.m, pg_catalog.format_type(v.o::oid, -1), pg_catalog.format_type(v.o::oid, v.m),
       (t.typarray <> 0 AND t.typcategory <> 'A' AND t.typtype IN ('b', 'r', 'm', 'e'))::text
     FROM (VALUES ${pairs.join(', ')}) AS v(o, m) JOIN pg_catalog.pg_type t ON t.oid = v.o::oid`,
  )
  for (const [key = '', plainName = '', name = '', fitsArray] of rows) {
    const type = { plainName, name, fitsArray: fitsArray === 'true' }
    found.set(key, type)
    const { typeOid } = unknown.get(key) ?? { typeOid: FIRST_USER_OID }
    if (typeOid < FIRST_USER_OID && builtIn.size < MAX_REMEMBERED) builtIn.set(key, type)
  }
}
