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
  carriesOids,
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
  const types = await describeTypes(run.coordinator, oids)
  for (const column of table.columns) {
    const type = types.find(({ oid }) => oid === column.typeOid)
    if (type !== undefined && carriesOids(type, types)) throw carried(table, column)
  }
  await run.onEach(nodes, async (connection) => {
    for (const type of types) await ensureType(connection, type)
  })
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

function carried(
  table: TableDescription,
  column: { readonly name: string; readonly typeName: string },
): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    `column "${column.name}" of relation "${table.name}" has type ${column.typeName}, which cannot be distributed`,
    {
      detail:
        'Arrays of types created by users, and composites with such types, hold OIDs, which differ from node to node.',
      hint: 'Use an array of a built-in type (text[] for an array of an enum), or jsonb.',
    },
  )
}
