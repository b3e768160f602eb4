import type { Shard } from '../../catalog/catalog.ts'

/** Shards are frozen with their catalog snapshot, so what was quoted once stays right as long as they live. */
const quoted = new WeakMap<Shard, Buffer>()

/** The shard's physical schema as an SQL identifier, UTF-8. The buffer is shared: read only. */
export function quotedSchema(shard: Shard): Buffer {
  let bytes = quoted.get(shard)
  if (bytes === undefined) {
    bytes = Buffer.from(quoteIdentifier(shard.schema))
    quoted.set(shard, bytes)
  }
  return bytes
}

/** Always quoted: a keyword or an upper case name is then no special case. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** As Postgres writes it with standard_conforming_strings on or off: E'' when there is a backslash. */
export function quoteLiteral(value: string): string {
  const escaped = value.replaceAll("'", "''").replaceAll('\\', '\\\\')
  return value.includes('\\') ? `E'${escaped}'` : `'${escaped}'`
}
