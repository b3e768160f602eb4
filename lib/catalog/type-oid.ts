/** OIDs of the built-in types that can be distribution columns, as in Postgres' pg_type.dat: equal on every server. */
export const TypeOid = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  float4: 700,
  float8: 701,
  unknown: 705,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
} as const

export type TypeOid = (typeof TypeOid)[keyof typeof TypeOid]

const HASHABLE: ReadonlySet<number> = new Set(
  Object.values(TypeOid).filter((oid) => oid !== TypeOid.unknown),
)

/** true: pg-hash.ts can compute the type's hash, so a column of it may distribute a table. */
export function isHashableType(typeOid: number): boolean {
  return HASHABLE.has(typeOid)
}
