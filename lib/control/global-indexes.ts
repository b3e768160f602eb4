import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { DistributedTable, GlobalIndex } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { applyChanges } from '../executor/write/unique/unique-changes.ts'
import { activeNodes, type CommandRun, runAll } from './command-run.ts'
import {
  captureAllSql,
  captureSql,
  createChangesSql,
  createEntriesSql,
  dropChangesSql,
  dropEntriesSql,
  type GlobalIndexDescription,
} from './global-index-sql.ts'

type Known = { readonly id: number; readonly name: string; readonly signature: string }

/** Valid unique indexes of a relation, those of constraints among them, in which one column is no key. */
const WITHOUT_COLUMN = `SELECT json_build_object('name', c.relname,
    'key', pg_get_indexdef(i.indexrelid, 1, true) || (SELECT coalesce(string_agg(', ' || pg_get_indexdef(i.indexrelid, n, true), '' ORDER BY n), '')
      FROM generate_series(2, i.indnkeyatts) n),
    'predicate', pg_get_expr(i.indpred, i.indrelid),
    'columns', (SELECT json_agg(json_build_object('expression', pg_get_indexdef(i.indexrelid, a.attnum, false),
        'typeName', format_type(a.atttypid, a.atttypmod),
        'collation', CASE WHEN a.attcollation <> 0 THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
          FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END) ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attnum <= i.indnkeyatts),
    'refusal', CASE WHEN NOT i.indimmediate THEN 'DEFERRABLE'
      WHEN coalesce(to_jsonb(i)->>'indnullsnotdistinct', 'false') = 'true' THEN 'NULLS NOT DISTINCT'
      WHEN EXISTS (SELECT FROM unnest(i.indclass::oid[]) WITH ORDINALITY k(class, n) JOIN pg_opclass o ON o.oid = k.class
        WHERE NOT o.opcdefault) THEN 'with operator classes of its own'
      WHEN EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = i.indexrelid
        AND y.oid >= 16384 AND (y.typtype NOT IN ('b', 'e', 'r') OR y.typcategory = 'A')) THEN 'on a domain, a row type or an array of yours'
      WHEN EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = i.indexrelid
        AND y.typname ~ '^reg') THEN 'on object identifiers' END)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indisunique AND i.indislive`

/** What the relation on the coordinator has now. In a transaction; search_path is put back. */
export async function describeGlobalIndexes(
  coordinator: BackendConnection,
  oid: number,
  distributionColumn: number,
): Promise<readonly GlobalIndexDescription[]> {
  const without = `i.indrelid = ${oid} AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
    WHERE k.attnum = ${distributionColumn} AND k.n <= i.indnkeyatts)`
  const saved = await query(
    coordinator,
    `SELECT current_setting('search_path'), EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indisunique AND ${without})`,
  )
  if (saved.rows[0]?.[1] !== 't') return []
  await query(coordinator, "SELECT set_config('search_path', '', true)")
  const { rows } = await query(coordinator, `${WITHOUT_COLUMN} AND ${without} ORDER BY c.oid`)
  await query(coordinator, "SELECT set_config('search_path', $1, true)", [saved.rows[0]?.[0] ?? ''])
  return rows.map(([text = '']) => {
    const described: GlobalIndexDescription = JSON.parse(text)
    if (described.refusal !== null) refuseForm(described.name, described.refusal)
    return { ...described, signature: text }
  })
}

function refuseForm(name: string, form: string): never {
  throw new RouterError(
    SqlState.featureNotSupported,
    `global unique index "${name}" ${form} is not supported`,
    { hint: 'Add the distribution column to it, or leave this out.' },
  )
}

/** May a unique index without the distribution column be of this name? */
export async function allowsGlobalIndexes({ coordinator }: CommandRun, oid: number) {
  const { rows } = await query(
    coordinator,
    `SELECT pgloom.current_setting('citus.global_unique_indexes', true), (SELECT json_agg(g.indexname)
       FROM pgloom.pg_dist_global_index g WHERE g.logicalrelid = ${oid})`,
  )
  const [setting, names = '[]'] = rows[0] ?? []
  const known: readonly string[] = JSON.parse(names)
  return (name: string): boolean => setting === 'on' || known.includes(name)
}

async function knownIndexes({ coordinator }: CommandRun, oid: number): Promise<readonly Known[]> {
  const { rows } = await query(
    coordinator,
    `SELECT indexid, indexname, signature FROM pgloom.pg_dist_global_index WHERE logicalrelid = ${oid} ORDER BY indexid`,
  )
  return rows.map(([id, name = '', signature = '']) => ({ id: Number(id), name, signature }))
}

/** Before a change of the table that `wanted` are to come out of: the triggers would stand in its way. */
export async function dropStaleIndexes(
  run: CommandRun,
  oid: number,
  wanted: readonly GlobalIndexDescription[],
): Promise<void> {
  for (const { id, signature } of await knownIndexes(run, oid)) {
    if (wanted.some((index) => index.signature === signature)) continue
    await dropGlobalIndex(run, id)
    await run.value(`SELECT pgloom.unregister_global_index(${id})`)
  }
}

/** All of the table's, whose registration takes theirs along. */
export async function dropGlobalIndexes(run: CommandRun, oid: number): Promise<void> {
  for (const { id } of await knownIndexes(run, oid)) await dropGlobalIndex(run, id)
}

async function dropGlobalIndex(run: CommandRun, id: number): Promise<void> {
  const catalog = await run.catalog()
  await run.onEach(activeNodes(catalog), (connection) => runAll(connection, dropChangesSql(id)))
  await runAll(run.coordinator, dropEntriesSql(id))
}

/** Brings the lookups in line with the indexes of the shell, whose shards are locked against writes. */
export async function syncGlobalIndexes(run: CommandRun, table: DistributedTable): Promise<void> {
  const { oid } = table
  const { attributeNumber } = table.distributionColumn
  const wanted = await describeGlobalIndexes(run.coordinator, oid, attributeNumber)
  await dropStaleIndexes(run, oid, wanted)
  const known = await knownIndexes(run, oid)
  for (const index of wanted) {
    if (known.some(({ signature }) => signature === index.signature)) continue
    await createGlobalIndex(run, table, index)
  }
}

async function createGlobalIndex(
  run: CommandRun,
  table: DistributedTable,
  index: GlobalIndexDescription,
): Promise<void> {
  await refuseOldSnapshot(run, index.name)
  const id = Number(
    await run.value(
      `SELECT pgloom.register_global_index(${table.oid}::oid::regclass, $1, $2, $3)`,
      [index.name, index.key, index.signature],
    ),
  )
  await runAll(run.coordinator, createEntriesSql(id, index))
  const nodes = activeNodes(await run.catalog()).filter(({ nodeId }) =>
    table.shards.some((shard) => shard.nodeId === nodeId),
  )
  await run.onEach(nodes, (connection, { nodeId }) => {
    const schemas = table.shards.filter((shard) => shard.nodeId === nodeId)
    return runAll(connection, [
      ...createChangesSql(id, index),
      ...schemas.flatMap(({ schema }) => captureSql(id, schema, table.name)),
      ...schemas.map(({ schema }) => captureAllSql(id, index, schema, table.name)),
    ])
  })
  const sources: BackendConnection[] = []
  for (const { nodeId } of nodes) sources.push(await run.on(nodeId))
  await load(run, { ...globalIndex(table, index), id }, sources)
}

/** Rows that were written before the shards were locked must be seen. */
async function refuseOldSnapshot(run: CommandRun, name: string): Promise<void> {
  if ((await run.value("SELECT current_setting('transaction_isolation')")) === 'read committed')
    return
  throw new RouterError(
    SqlState.featureNotSupported,
    `global unique index "${name}" can only be made in a READ COMMITTED transaction`,
    { hint: "SET default_transaction_isolation = 'read committed', or begin the transaction so." },
  )
}

function globalIndex({ oid, schema, name }: DistributedTable, index: GlobalIndexDescription) {
  return {
    name: index.name,
    tableOid: oid,
    schema,
    table: name,
    key: index.key,
    writtenThrough: [],
  }
}

async function load(
  run: CommandRun,
  index: GlobalIndex,
  sources: readonly BackendConnection[],
): Promise<void> {
  try {
    await applyChanges([index], sources, {
      coordinator: async () => run.coordinator,
      signal: run.context.signal,
    })
  } catch (error) {
    throw asBuildError(error, index.name)
  }
}

/** Postgres words it so where the index is made over rows that are there. */
function asBuildError(error: unknown, name: string): unknown {
  if (!(error instanceof RouterError) || error.sqlState !== SqlState.uniqueViolation) return error
  const detail = error.detail?.replace(/[^)]*$/, ' is duplicated.')
  return new RouterError(error.sqlState, `could not create unique index "${name}"`, {
    ...(detail === undefined ? {} : { detail }),
    cause: error,
  })
}
