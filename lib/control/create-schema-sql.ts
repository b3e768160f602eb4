import { quoteIdentifier, quoteLiteral } from './shard-schema.ts'

/** USAGE for all: whether a role may read a shard is decided by the table's privileges, as with the shell. */
export function createSchemaSql(schema: string): string[] {
  const name = quoteIdentifier(schema)
  return [
    `DO $pgloom$ BEGIN IF to_regnamespace(${quoteLiteral(name)}) IS NULL THEN CREATE SCHEMA ${name}; GRANT USAGE ON SCHEMA ${name} TO PUBLIC; END IF; END $pgloom$`,
  ]
}
