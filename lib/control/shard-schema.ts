/** The physical schema of one shard for one user schema. Must agree with pgloom.shard_name() in metadata-readers.ts. */
export function shardSchema(shardGroupId: number, userSchema: string): string {
  return userSchema === 'public' ? `pgloom_${shardGroupId}` : `pgloom_${shardGroupId}_${userSchema}`
}

/** Bytes of a user schema's name, so that ours stay below NAMEDATALEN (63 bytes) with 19 digits for the group. */
export const MAX_USER_SCHEMA_BYTES = 36

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/** Right whatever standard_conforming_strings is. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? `E${quoted}` : quoted
}
