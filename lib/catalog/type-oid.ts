/**
 * OIDs of the built-in types whose hash we compute ourselves, as in Postgres' pg_type.dat: equal on every server. Of other types
 * Postgres is asked.
 */
export const TypeOid = {
  bool: 16,
  bytea: 17,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  cidr: 650,
  float4: 700,
  float8: 701,
  unknown: 705,
  macaddr8: 774,
  macaddr: 829,
  inet: 869,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  numeric: 1700,
  uuid: 2950,
} as const

export type TypeOid = (typeof TypeOid)[keyof typeof TypeOid]
