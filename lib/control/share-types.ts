import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { type CommandRun, runAll } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import { quoteQualified } from './shard-schema.ts'
import type { TableDescription } from './table-description.ts'
import {
  createTypeSql,
  describeTypes,
  meaningOf,
  type TypeDescription,
} from './type-description.ts'

const FIRST_USER_OID = 16384

/** Makes the types of the table's columns on these nodes, where they aren't there yet; they must mean the same. */
export async function shareTypes(
  run: CommandRun,
  table: TableDescription,
  nodes: readonly ClusterNode[],
): Promise<void> {
  const oids = table.columns.map(({ typeOid }) => typeOid).filter((oid) => oid >= FIRST_USER_OID)
  if (oids.length === 0 || nodes.length === 0) return
  await ensureTypes(run, await describeTypes(run.coordinator, oids), nodes)
}

/** What a type is made of, but not the type itself, which is being altered. */
export async function shareParts(
  run: CommandRun,
  { schema, name }: Pick<TypeDescription, 'schema' | 'name'>,
  nodes: readonly ClusterNode[],
): Promise<void> {
  const oid = await typeOidOf(run.coordinator, { schema, name })
  if (oid === undefined) return
  const types = await describeTypes(run.coordinator, [oid])
  const parts = types.filter((type) => type.oid !== oid)
  if (parts.length > 0) await ensureTypes(run, parts, nodes)
}

async function ensureTypes(
  run: CommandRun,
  types: readonly TypeDescription[],
  nodes: readonly ClusterNode[],
): Promise<void> {
  await run.onEach(nodes, (connection) => ensureTypesOn(connection, types))
}

/** Of one node, as describeTypes() gives them. */
export async function ensureTypesOn(
  connection: BackendConnection,
  types: readonly TypeDescription[],
): Promise<void> {
  // arrays come with their elements, under a name that Postgres makes up
  for (const type of types) if (!type.isArray) await ensureType(connection, type)
}

async function ensureType(connection: BackendConnection, type: TypeDescription): Promise<void> {
  const there = await typeOidOf(connection, type)
  if (there === undefined) {
    await runAll(connection, [
      ...createSchemaSql(type.extension?.schema ?? type.schema),
      ...createTypeSql(type),
    ])
    return
  }
  const found = (await describeTypes(connection, [there])).find(({ oid }) => oid === there)
  if (found !== undefined && meaningOf(found) === meaningOf(type)) return
  throw new RouterError(
    SqlState.duplicateObject,
    `type ${type.schema}.${type.name} is another one on ${connection.node.host}:${connection.node.port}`,
    { hint: 'Drop or rename the type there.' },
  )
}

export async function typeOidOf(
  connection: BackendConnection,
  { schema, name }: Pick<TypeDescription, 'schema' | 'name'>,
): Promise<number | undefined> {
  const { rows } = await query(connection, 'SELECT pg_catalog.to_regtype($1)::oid', [
    quoteQualified(schema, name),
  ])
  const oid = rows[0]?.[0]
  return oid === undefined ? undefined : Number(oid)
}
