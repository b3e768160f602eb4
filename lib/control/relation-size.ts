import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { FunctionResult } from '../executor/ports.ts'
import { activeNodes, type CommandRun, tableByOid } from './command-run.ts'
import type { ArgumentDeclaration, ArgumentValues } from './function-arguments.ts'
import { quoteQualified } from './shard-schema.ts'

const BIGINT = { typeOid: 20, typeSize: 8 }
const RELATION: ArgumentDeclaration = { name: 'relation', type: 'regclass' }
const TABLE: ArgumentDeclaration = { name: 'table_name', type: 'regclass' }

type SizeFunction = {
  readonly name: string
  readonly arguments: readonly ArgumentDeclaration[]
  /** What Postgres computes of one shard. */
  readonly call: string
}

/** Postgres' own size functions, which must not tell the sizes of empty shells, and Citus'. */
export const SIZE_FUNCTIONS: readonly SizeFunction[] = [
  {
    name: 'pg_relation_size',
    arguments: [RELATION, { name: 'fork', type: 'text', default: 'main' }],
    call: 'pg_relation_size(n::regclass, $2)',
  },
  { name: 'pg_table_size', arguments: [RELATION], call: 'pg_table_size(n::regclass)' },
  { name: 'pg_indexes_size', arguments: [RELATION], call: 'pg_indexes_size(n::regclass)' },
  {
    name: 'pg_total_relation_size',
    arguments: [RELATION],
    call: 'pg_total_relation_size(n::regclass)',
  },
  { name: 'citus_relation_size', arguments: [TABLE], call: 'pg_relation_size(n::regclass)' },
  { name: 'citus_table_size', arguments: [TABLE], call: 'pg_table_size(n::regclass)' },
  {
    name: 'citus_total_relation_size',
    arguments: [TABLE, { name: 'fail_on_error', type: 'bool', default: 'true' }],
    call: 'pg_total_relation_size(n::regclass)',
  },
]

/** The size of a table, or of an index of one, over all its shards; Citus' functions count every copy of a reference table. */
export async function relationSize(
  run: CommandRun,
  values: ArgumentValues,
  { name, call }: SizeFunction,
): Promise<FunctionResult> {
  const columns = [{ name, ...BIGINT }]
  const oid = values.get('relation') ?? values.get('table_name')
  if (oid === undefined) return { columns, rows: [[undefined]] }
  const catalog = await run.catalog()
  const { rows } = await query(
    run.coordinator,
    `SELECT c.relname, n.nspname, coalesce(i.indrelid, c.oid) FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE c.oid = $1::oid`,
    [oid],
  )
  const [relation = '', schema = '', tableOid = '0'] = rows[0] ?? []
  const table = tableByOid(catalog, Number(tableOid))
  const isCitus = name.startsWith('citus_')
  if (isCitus && table === undefined) {
    throw new RouterError(
      SqlState.wrongObjectType,
      `cannot calculate the size because relation "${relation}" is not distributed`,
      { hint: 'Use pg_total_relation_size(), pg_table_size() or pg_relation_size().' },
    )
  }
  const isStored = table?.kind === 'distributed' || (isCitus && table !== undefined)
  const places = isStored
    ? placesOf(catalog, table, relation)
    : new Map([[run.coordinator.node.nodeId, [quoteQualified(schema, relation)]]])
  let total = 0n
  for (const [nodeId, names] of places) {
    total += await sizeOn(run, nodeId, names, call, values.get('fork'))
  }
  return { columns, rows: [[String(total)]] }
}

async function sizeOn(
  run: CommandRun,
  nodeId: number,
  names: readonly string[],
  call: string,
  fork: string | undefined,
): Promise<bigint> {
  const connection = await run.context.connection(nodeId, 'read')
  const list = `{${names.map((name) => `"${name.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
  const { rows } = await query(
    connection,
    `SELECT coalesce(sum(pg_catalog.${call}), 0) FROM pg_catalog.unnest($1::text[]) n`,
    call.includes('$2') ? [list, fork ?? 'main'] : [list],
  )
  return BigInt(rows[0]?.[0] ?? 0)
}

/** By node, the names under which the relation's rows are stored. */
function placesOf(
  catalog: Catalog,
  table: ClusterTable,
  relation: string,
): ReadonlyMap<number, readonly string[]> {
  const stored =
    table.kind === 'distributed'
      ? table.shards
      : activeNodes(catalog).map(({ nodeId }) => ({ nodeId, schema: table.schema }))
  const places = new Map<number, string[]>()
  for (const { nodeId, schema } of stored) {
    const names = places.get(nodeId) ?? []
    names.push(quoteQualified(schema, relation))
    places.set(nodeId, names)
  }
  return places
}
