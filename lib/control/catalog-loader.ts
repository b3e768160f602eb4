import {
  type Catalog,
  type ClusterNode,
  type ClusterTable,
  type Column,
  type DistributedTable,
  type GlobalIndex,
  type KeyHashing,
  type MaterializedView,
  oidKey,
  type Shard,
  tableKey,
  type UserCode,
} from '../catalog/catalog.ts'
import { hashUint32 } from '../catalog/pg-hash.ts'
import { type NodeType, type TypeForm, userTypesOf } from '../catalog/user-types.ts'
import { READING_SQL, type ViewDocument, viewOf, viewsSql } from '../catalog/view-document.ts'
import { GLOBAL_INDEXES } from './global-index-metadata.ts'
import type { NodeAddress } from './metadata-schema.ts'
import { shardSchema } from './shard-schema.ts'
import { USER_CODE_SQL } from './user-code-sql.ts'
import {
  commonTypes,
  FUNCTION_ROWS,
  type FunctionsDocument,
  functionsOf,
  USER_FUNCTIONS,
} from './user-functions.ts'

/** Runs one statement without parameters and gives the first column of its first row. */
export type ReadValue = (text: string) => Promise<string | undefined>

/** What is read of the coordinator: one JSON document, from one statement and so from one MVCC snapshot. */
type Document = {
  readonly version: number
  readonly nodes: readonly (Omit<ClusterNode, 'host' | 'port'> & NodeAddress)[] | null
  readonly tables: readonly TableDocument[] | null
  readonly views: readonly ViewDocument[] | null
  readonly materializedViews: readonly MaterializedViewDocument[] | null
  readonly shadows: readonly (readonly [schema: string, name: string])[] | null
  readonly globalIndexes: readonly GlobalIndex[] | null
  readonly functions: FunctionsDocument | null
  readonly userCode: { readonly [Part in keyof UserCode]: readonly string[] | null }
}

type TableDocument = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly method: 'h' | 'n'
  readonly keyNumber: number | null
  readonly colocationId: number
  readonly columns: readonly ColumnDocument[]
  readonly primaryKey: readonly string[] | null
  readonly hasTriggers: boolean
  readonly shards: readonly ShardDocument[] | null
}

type ColumnDocument = Omit<Column, 'collation' | 'base' | 'hashing'> & {
  readonly collation: string | null
  readonly base: Column['base'] | null
  readonly hashing: HashingDocument | null
}

type HashingDocument = {
  readonly schema: string
  readonly name: string
  readonly isOnlyOfItsName: boolean
  readonly labels: Readonly<Record<string, number>> | null
  readonly isCitext: boolean
}

type MaterializedViewDocument = Omit<MaterializedView, 'query'> & { readonly queryOid: number }

type ShardDocument = {
  readonly shardId: number
  readonly minHash: number | null
  readonly maxHash: number | null
  readonly shardGroupId: number | null
  readonly nodeId: number
}

const IS_INSTALLED = "SELECT to_regclass('pgloom.pg_dist_schema_version') IS NOT NULL"

const KEY_NUMBER = "substring(t.partkey FROM ':varattno (\\d+)')::int"

/** Of a row y of pg_type: what a domain is made of in the end, else the type itself. */
const BASE_TYPE = `WITH RECURSIVE level(oid, typmod, domain) AS (
    SELECT y.oid, -1, y.typtype = 'd'
    UNION ALL SELECT u.typbasetype, u.typtypmod, v.typtype = 'd' FROM level l
      JOIN pg_type u ON u.oid = l.oid JOIN pg_type v ON v.oid = u.typbasetype WHERE l.domain)
  SELECT oid, typmod FROM level WHERE NOT domain`

const HASHING = `SELECT json_build_object('schema', bn.nspname, 'name', bt.typname,
    'isOnlyOfItsName', NOT EXISTS (SELECT FROM pg_type o WHERE o.typname = bt.typname AND o.oid <> bt.oid),
    'labels', (SELECT json_object_agg(l.enumlabel, l.oid::int8 ORDER BY l.oid) FROM pg_enum l WHERE l.enumtypid = bt.oid),
    'isCitext', bt.typname = 'citext' AND EXISTS (SELECT FROM pg_depend p JOIN pg_extension e ON e.oid = p.refobjid
      WHERE p.classid = 'pg_type'::regclass AND p.objid = bt.oid AND p.deptype = 'e' AND e.extname = 'citext'))
  FROM pg_type bt JOIN pg_namespace bn ON bn.oid = bt.typnamespace WHERE bt.oid = b.oid`

const COLUMNS = `
  SELECT json_agg(json_build_object(
    'name', a.attname, 'attributeNumber', a.attnum, 'typeOid', a.atttypid::int8, 'typeModifier', a.atttypmod,
    'typeName', CASE WHEN a.atttypid < 16384 THEN format_type(a.atttypid, a.atttypmod) ELSE (
      SELECT quote_ident(yn.nspname) || '.' || quote_ident(y.typname) FROM pg_namespace yn WHERE yn.oid = y.typnamespace)
      || coalesce(substring(format_type(a.atttypid, a.atttypmod) FROM '\\(.*\\)$'), '') END,
    'collation', CASE WHEN a.attcollation <> y.typcollation THEN (
      SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
      FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END,
    'isNotNull', a.attnotnull,
    'hasDefault', a.atthasdef OR a.attidentity <> '',
    'isGenerated', a.attgenerated <> '',
    'base', CASE WHEN y.typtype = 'd' THEN json_build_object('typeOid', b.oid::int8, 'typeModifier', b.typmod) END,
    'hashing', CASE WHEN b.oid >= 16384 AND a.attnum = ${KEY_NUMBER} THEN (${HASHING}) END) ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid CROSS JOIN LATERAL (${BASE_TYPE}) b
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`

const PRIMARY_KEY = `
  SELECT json_agg(a.attname ORDER BY k.n)
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
  WHERE i.indrelid = c.oid AND i.indisprimary AND k.n <= i.indnkeyatts`

const SHARDS = `
  SELECT json_agg(json_build_object('shardId', s.shardid, 'minHash', s.shardminvalue::int,
    'maxHash', s.shardmaxvalue::int, 'shardGroupId', s.shardgroupid, 'nodeId', (
      SELECT min(n.nodeid) FROM pgloom.pg_dist_placement p JOIN pgloom.pg_dist_node n USING (groupid)
      WHERE p.shardid = s.shardid AND n.noderole = 'primary')) ORDER BY s.shardminvalue::int)
  FROM pgloom.pg_dist_shard s WHERE s.logicalrelid = t.logicalrelid`

/** Each reads nothing but the view that keeps its query. */
const MATERIALIZED = `SELECT c.oid, x.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner, d.refobjid AS query
  FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
  JOIN pg_rewrite w ON w.ev_class = c.oid AND w.rulename = '_RETURN'
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class q ON q.oid = d.refobjid JOIN pg_namespace y ON y.oid = q.relnamespace AND y.nspname = 'pgloom_matview'
  WHERE c.relkind = 'm'`

const VIEWS = viewsSql("c.relpersistence <> 't' AND x.nspname !~ '^pgloom(_(?!matview$)|$)'")

const READ_DOCUMENT = `
${READING_SQL}
SELECT json_build_object(
  'version', (SELECT max(version) FROM pgloom.pg_dist_catalog_version),
  'nodes', (SELECT json_agg(json_build_object('nodeId', nodeid, 'groupId', groupid, 'host', nodename,
      'port', nodeport, 'isActive', isactive, 'shouldHaveShards', shouldhaveshards)
      ORDER BY groupid, nodeid) FROM pgloom.pg_dist_node WHERE noderole = 'primary'),
  'tables', (SELECT json_agg(json_build_object('oid', c.oid::int8, 'schema', x.nspname, 'name', c.relname,
      'method', t.partmethod, 'colocationId', t.colocationid,
      'keyNumber', ${KEY_NUMBER},
      'columns', (${COLUMNS}), 'primaryKey', (${PRIMARY_KEY}), 'shards', (${SHARDS}),
      'hasTriggers', EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
        AND g.tgname NOT LIKE 'pgloom\\_guard%')) ORDER BY c.oid)
    FROM pgloom.pg_dist_partition t JOIN pg_class c ON c.oid = t.logicalrelid
    JOIN pg_namespace x ON x.oid = c.relnamespace),
  'views', (${VIEWS}),
  'materializedViews', (SELECT json_agg(DISTINCT jsonb_build_object('oid', m.oid::int8, 'schema', m.nspname, 'name', m.relname,
    'owner', m.owner, 'queryOid', m.query::int8)) FROM (${MATERIALIZED}) m WHERE m.query IN (SELECT oid FROM reading)),
  'shadows', (SELECT json_agg(json_build_array(x.nspname, c.relname) ORDER BY x.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
    WHERE c.relname IN (SELECT r.relname FROM pgloom.pg_dist_partition t JOIN pg_class r ON r.oid = t.logicalrelid
        UNION SELECT r.relname FROM reading JOIN pg_class r USING (oid) UNION SELECT m.relname FROM (${MATERIALIZED}) m)
      AND c.relpersistence <> 't' AND x.nspname !~ '^pgloom_'
      AND NOT EXISTS (SELECT FROM pgloom.pg_dist_partition t WHERE t.logicalrelid = c.oid)),
  'globalIndexes', (${GLOBAL_INDEXES}),
  'functions', (${USER_FUNCTIONS}),
  'userCode', ${USER_CODE_SQL})`

/** The raw document, or undefined where the metadata schema is missing. Equal texts mean equal catalogs. */
export async function readDocument(read: ReadValue): Promise<string | undefined> {
  return (await read(IS_INSTALLED)) === 't' ? read(READ_DOCUMENT) : undefined
}

/** Reads, on any one node, which tables lie in which schema, for shellOids: only shards and reference tables. */
export async function readTableOids(
  read: ReadValue,
  referenceTables: readonly string[],
): Promise<readonly NodeTable[]> {
  const names = referenceTables.map((name) => `'${name.replaceAll("'", "''")}'`).join(', ')
  const text = await read(`
    SELECT json_agg(o ORDER BY o ->> 0, o ->> 1, o ->> 2) FROM (
      SELECT json_build_array(x.nspname, c.relname, c.oid::int8) AS o
      FROM pg_class c JOIN pg_namespace x ON x.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND (x.nspname ~ '^pgloom_[0-9]'${
        names === '' ? '' : ` OR c.relname IN (${names})`
      })
      UNION ALL ${USER_TYPES} UNION ALL ${FUNCTION_ROWS}) all_of_them`)
  return text === undefined ? [] : JSON.parse(text)
}

/**
 * Not row types of tables, nor arrays of those. Arrays are called after their elements: Postgres makes their own names up. The
 * fourth part says how binary values are made, the fifth of what.
 */
export const USER_TYPES = `
  SELECT json_build_array(x.nspname, CASE WHEN e.oid IS NULL THEN t.typname ELSE e.typname || repeat('[', 64) END, t.oid::int8, CASE
      WHEN e.oid IS NOT NULL THEN 'array'
      WHEN t.typtype = 'c' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
        AND NOT a.attisdropped AND a.atttypid >= 16384) THEN 'composite'
      WHEN t.typtype = 'r' THEN 'range' WHEN t.typtype = 'm' THEN 'multirange' WHEN t.typtype = 'd' THEN 'domain' ELSE 'plain' END,
    coalesce(e.oid, (SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid), (SELECT r.rngtypid FROM pg_range r
      WHERE r.rngmultitypid = t.oid), t.typbasetype)::int8)
  FROM pg_type t JOIN pg_namespace x ON x.oid = t.typnamespace LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
  LEFT JOIN pg_class c ON c.oid = coalesce(nullif(t.typrelid, 0), e.typrelid)
  WHERE t.oid >= 16384 AND t.typtype <> 'p' AND coalesce(c.relkind, 'c') = 'c' AND x.nspname !~ '^pgloom'`

/** A table, or with a fourth part a type, or functions: their name and digest. */
export type NodeTable = readonly [
  schema: string,
  name: string,
  oid: number,
  form?: TypeForm | 'function',
  of?: number,
]

export type CatalogSourceData = {
  readonly database: string
  readonly coordinator: NodeAddress
  /** As read by readDocument. */
  readonly document: string | undefined
  /** By node id; a node that could not be asked is missing. */
  readonly tablesOfNodes: ReadonlyMap<number, readonly NodeTable[]>
  readonly version: number
}

/** The frozen snapshot. The coordinator is reached at the configured address, whatever the metadata call it. */
export function buildCatalog(data: CatalogSourceData): Catalog {
  const { coordinator, database, version } = data
  const document: Document | undefined =
    data.document === undefined ? undefined : JSON.parse(data.document)
  const nodes = nodesOf(document, coordinator)
  const tables = (document?.tables ?? []).map(tableOf)
  return Object.freeze({
    database,
    version,
    isInstalled: document !== undefined,
    nodes: Object.freeze(nodes),
    tables: new Map(tables.map((table) => [tableKey(table.schema, table.name), table])),
    ...viewsOf(document),
    shadowingRelations: new Set(
      (document?.shadows ?? []).map(([schema, name]) => tableKey(schema, name)),
    ),
    ...globalIndexesOf(document),
    userCode: userCodeOf(document),
    ...codeOfNodes(nodes, data.tablesOfNodes, document),
    shellOids: shellOidsOf(tables, data.tablesOfNodes, document),
    ...userTypesOf(typesOf(data.tablesOfNodes), nodes[0]?.nodeId ?? 0),
  })
}

function globalIndexesOf(document: Document | undefined): Pick<Catalog, 'globalIndexes'> {
  const indexes = document?.globalIndexes ?? []
  return indexes.length === 0 ? {} : { globalIndexes: indexes }
}

function userCodeOf(document: Document | undefined): UserCode | undefined {
  if (document === undefined) return undefined
  const { writes, reads, functions, operators, ownOperators } = document.userCode
  return Object.freeze({
    writes: new Set(writes),
    reads: new Set(reads),
    functions: new Set(functions),
    operators: new Set(operators),
    ownOperators: new Set(ownOperators),
  })
}

/** Nodes and reference tables' names of a document, for those who gather tablesOfNodes. */
export function documentOutline(
  document: string,
  coordinator: NodeAddress,
): { readonly nodes: readonly ClusterNode[]; readonly referenceTables: readonly string[] } {
  const parsed: Document = JSON.parse(document)
  return {
    nodes: nodesOf(parsed, coordinator),
    referenceTables: (parsed.tables ?? [])
      .filter(({ method }) => method === 'n')
      .map(({ name }) => name),
  }
}

function nodesOf(document: Document | undefined, coordinator: NodeAddress): ClusterNode[] {
  const nodes = (document?.nodes ?? []).map((node) =>
    Object.freeze(node.groupId === 0 ? { ...node, ...coordinator } : node),
  )
  if (nodes.some(({ groupId }) => groupId === 0)) return nodes
  const alone = { nodeId: 0, groupId: 0, ...coordinator, isActive: true, shouldHaveShards: true }
  return [Object.freeze(alone), ...nodes]
}

function tableOf(table: TableDocument): ClusterTable {
  const columns = Object.freeze(table.columns.map(columnOf))
  const base = {
    oid: table.oid,
    schema: table.schema,
    name: table.name,
    columns,
    colocationId: table.colocationId,
    primaryKey: Object.freeze(table.primaryKey ?? []),
    hasTriggers: table.hasTriggers,
  }
  if (table.method === 'n') {
    return Object.freeze({ kind: 'reference', ...base, shardId: table.shards?.[0]?.shardId ?? 0 })
  }
  const distributionColumn = columns.find((column) => column.attributeNumber === table.keyNumber)
  if (distributionColumn === undefined) {
    throw new Error(`${table.schema}.${table.name} has lost its distribution column`)
  }
  const shards = (table.shards ?? []).map((shard, index) => shardOf(table.schema, shard, index))
  return Object.freeze({
    kind: 'distributed',
    ...base,
    distributionColumn,
    shards: Object.freeze(shards),
  })
}

function columnOf(column: ColumnDocument): Column {
  const { hashing } = column
  return Object.freeze({
    ...column,
    collation: column.collation ?? undefined,
    base: column.base ?? undefined,
    hashing: hashing === null ? undefined : keyHashing(hashing),
  })
}

/** An enum's value hashes as its OID on the coordinator does. */
function keyHashing(hashing: HashingDocument): KeyHashing | undefined {
  const { schema, name, labels, isCitext } = hashing
  const named = hashing.isOnlyOfItsName ? { schema, name } : undefined
  if (isCitext) return Object.freeze({ kind: 'citext', named })
  if (labels === null) return undefined
  const hashes = Object.entries(labels).map(([label, oid]) => [label, hashUint32(oid | 0)] as const)
  return Object.freeze({ kind: 'enum', named, hashes: new Map(hashes) })
}

function viewsOf(document: Document | undefined): Pick<Catalog, 'views' | 'materializedViews'> {
  const views = (document?.views ?? []).map(viewOf)
  const byName = new Map(views.map((view) => [tableKey(view.schema, view.name), view]))
  const materialized = (document?.materializedViews ?? []).flatMap(
    ({ queryOid, ...view }): readonly MaterializedView[] => {
      const query = views.find(({ oid }) => oid === queryOid)
      return query === undefined ? [] : [Object.freeze({ ...view, query })]
    },
  )
  if (materialized.length === 0) return { views: byName }
  const materializedViews = new Map(
    materialized.map((view) => [tableKey(view.schema, view.name), view]),
  )
  return { views: byName, materializedViews }
}

function shardOf(userSchema: string, shard: ShardDocument, index: number): Shard {
  return Object.freeze({
    shardId: shard.shardId,
    index,
    minHash: shard.minHash ?? -2147483648,
    maxHash: shard.maxHash ?? 2147483647,
    nodeId: shard.nodeId,
    schema: shardSchema(shard.shardGroupId ?? 0, userSchema),
  })
}

function shellOidsOf(
  tables: readonly ClusterTable[],
  tablesOfNodes: ReadonlyMap<number, readonly NodeTable[]>,
  document: Document | undefined,
): ReadonlyMap<number, number> {
  const shells = shellsOf(tables, document)
  const oids = new Map<number, number>()
  for (const [nodeId, nodeTables] of tablesOfNodes) {
    for (const [schema, name, oid] of nodeTables.filter((object) => object[3] === undefined)) {
      const shell = shells.get(`${nodeId}\0${tableKey(schema, name)}`)
      if (shell !== undefined) oids.set(oidKey(nodeId, oid), shell)
    }
  }
  return oids
}

/** Key: node id and tableKey of a shard's or a copy's table -> OID of the user's table. */
function shellsOf(
  tables: readonly ClusterTable[],
  document: Document | undefined,
): ReadonlyMap<string, number> {
  const shells = new Map<string, number>()
  const addShards = (table: DistributedTable): void => {
    for (const shard of table.shards) {
      shells.set(`${shard.nodeId}\0${tableKey(shard.schema, table.name)}`, table.oid)
    }
  }
  const nodeIds = (document?.nodes ?? []).map(({ nodeId }) => nodeId)
  for (const table of tables) {
    if (table.kind === 'distributed') addShards(table)
    else {
      for (const nodeId of nodeIds) {
        shells.set(`${nodeId}\0${tableKey(table.schema, table.name)}`, table.oid)
      }
    }
  }
  return shells
}

/** What can't be compared is the coordinator's only. */
function codeOfNodes(
  nodes: readonly ClusterNode[],
  tablesOfNodes: CatalogSourceData['tablesOfNodes'],
  document: Document | undefined,
): Pick<Catalog, 'functions' | 'commonTypes'> {
  const objects = nodes.map(({ nodeId }) => tablesOfNodes.get(nodeId) ?? [])
  const digests = objects.map((all) => {
    const functions = all.filter(([, , , form]) => form === 'function')
    return new Map(functions.map(([name, digest]) => [name, digest]))
  })
  const [own = [], ...others] = objects.map(typesAmong)
  return {
    ...functionsOf(document?.functions ?? [], digests),
    ...commonTypes(own, others),
  }
}

function typesAmong(objects: readonly NodeTable[]): readonly NodeType[] {
  return objects.filter((object): object is NodeType => {
    return object[3] !== undefined && object[3] !== 'function'
  })
}

function typesOf(
  tablesOfNodes: ReadonlyMap<number, readonly NodeTable[]>,
): ReadonlyMap<number, readonly NodeType[]> {
  const types = new Map<number, readonly NodeType[]>()
  for (const [nodeId, objects] of tablesOfNodes) {
    types.set(nodeId, typesAmong(objects))
  }
  return types
}
