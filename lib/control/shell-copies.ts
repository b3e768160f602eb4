import type { ClusterNode, ClusterTable } from '../catalog/catalog.ts'
import { type CommandRun, runAll } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import { guardReferenceSql, guardShellSql } from './guard-sql.ts'
import { adoptSequenceSql, createSequenceSql, ownSequenceSql } from './sequence-ranges.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import { shareTypes } from './share-types.ts'
import {
  createForeignKeysSql,
  createIndexesSql,
  createRestSql,
  createShellSql,
  createTableSql,
} from './table-ddl.ts'
import type { TableDescription } from './table-description.ts'

/**
 * The types, schemas and sequences that the table's copies on the workers need, in ranges that never meet. A reference table's
 * defaults are evaluated on the coordinator only, whose sequences then stay as they are.
 */
export async function shareDependencies(
  run: CommandRun,
  table: TableDescription,
  workers: readonly ClusterNode[],
  kind: ClusterTable['kind'],
): Promise<void> {
  // Alone, the coordinator keeps its sequences as they are; citus_add_node comes here again.
  if (workers.length === 0) return
  await shareTypes(run, table, workers)
  const nextValues = new Map<string, string>()
  for (const sequence of table.sequences) {
    const name = quoteQualified(sequence.schema, sequence.name)
    const next = await run.value(
      `SELECT (CASE WHEN is_called THEN last_value + 1 ELSE last_value END)::text FROM ${name}`,
    )
    nextValues.set(sequence.name, next ?? '1')
    if (kind === 'distributed') {
      await runAll(run.coordinator, adoptSequenceSql(sequence, next ?? '1'))
    }
  }
  await run.onEach(workers, (connection, node) =>
    runAll(connection, [
      ...createSchemaSql(table.schema),
      ...table.sequences.flatMap((sequence) => [
        ...createSchemaSql(sequence.schema),
        createSequenceSql(sequence, nextValues.get(sequence.name) ?? '1', node),
      ]),
    ]),
  )
}

/** The empty, guarded shell for a worker; schema and sequences are there. */
export function shellSql(table: TableDescription): string[] {
  return [
    ...createShellSql(table),
    ...attachmentsSql(table),
    ...guardShellSql(quoteQualified(table.schema, table.name)),
  ]
}

/** The copy of a reference table for a worker, before its rows. */
export function referenceTableSql(table: TableDescription): string {
  return createTableSql(table, table.schema)
}

/** What follows its rows; the guard goes last. */
export function referenceRestSql(table: TableDescription): string[] {
  const { schema } = table
  return [
    ...createIndexesSql(table, schema),
    ...createForeignKeysSql(table, schema, ({ targetSchema }) => targetSchema),
    ...attachmentsSql(table),
    ...guardReferenceSql(quoteQualified(schema, table.name), 0),
  ]
}

function attachmentsSql(table: TableDescription): string[] {
  const name = quoteQualified(table.schema, table.name)
  return [
    ...createRestSql(table, table.schema),
    `ALTER TABLE ${name} OWNER TO ${quoteIdentifier(table.owner)}`,
    ...table.sequences.flatMap((sequence) => ownSequenceSql(table, sequence)),
  ]
}
