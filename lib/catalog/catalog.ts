import type { UserTypes } from './user-types.ts'

/**
 * The map of one database's cluster: immutable, built once by control/catalog-loader, shared by all sessions,
 * replaced whole. Everything here is plain frozen data; look-ups are in catalog-lookup.ts and shard-map.ts.
 */
export type ClusterNode = {
  readonly nodeId: number
  /** 0 is the coordinator. */
  readonly groupId: number
  readonly host: string
  readonly port: number
  readonly isActive: boolean
  readonly shouldHaveShards: boolean
}

export type Column = {
  readonly name: string
  readonly attributeNumber: number
  readonly typeOid: number
  readonly typeModifier: number
  /** format_type(oid, typmod), for example `numeric(20,10)` */
  readonly typeName: string
  /** Qualified and quoted, only where it differs from the type's own. */
  readonly collation: string | undefined
  readonly isNotNull: boolean
  /** Has a DEFAULT, an identity or is generated. */
  readonly hasDefault: boolean
  readonly isGenerated: boolean
  /** Of a domain: the type that it is made of in the end, as which its values are compared and hashed. */
  readonly base?: { readonly typeOid: number; readonly typeModifier: number } | undefined
  /** Of a distribution column of a user's type, where we know its hash. */
  readonly hashing?: KeyHashing | undefined
}

/** `named`: the type's schema and name, unless types of other schemas have the same. */
export type KeyHashing = {
  readonly named: { readonly schema: string; readonly name: string } | undefined
} & (
  | { readonly kind: 'enum'; readonly hashes: ReadonlyMap<string, number> }
  | { readonly kind: 'citext' }
)

export type Shard = {
  readonly shardId: number
  /** Position within its group, 0 based, ascending by minHash; equal for all tables of the group. */
  readonly index: number
  /** Inclusive bounds of the 32-bit signed hash. */
  readonly minHash: number
  readonly maxHash: number
  readonly nodeId: number
  /** The physical schema (unquoted name) in which this shard's table, of the same name as the user's, lives. */
  readonly schema: string
}

type TableBase = {
  /** OID of the user's table (the shell) on the coordinator. */
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly Column[]
  readonly colocationId: number
  /** Names of the primary key's columns in order; empty without one. */
  readonly primaryKey: readonly string[]
  readonly hasTriggers: boolean
}

export type DistributedTable = TableBase & {
  readonly kind: 'distributed'
  readonly distributionColumn: Column
  /** Ascending by minHash; equal bounds and nodes for all tables of one colocationId. */
  readonly shards: readonly Shard[]
}

export type ReferenceTable = TableBase & {
  readonly kind: 'reference'
  readonly shardId: number
}

/** Every other table is local: it lives on the coordinator and isn't in the catalog. */
export type ClusterTable = DistributedTable | ReferenceTable

/** A unique index or constraint without the distribution column: what is in it is also kept on the coordinator. */
export type GlobalIndex = {
  readonly id: number
  readonly name: string
  readonly tableOid: number
  readonly schema: string
  readonly table: string
  /** As errors show it: `email`, `lower(email)`. */
  readonly key: string
  /** OIDs of tables, its own among them: a write to one, by cascades of foreign keys too, may change what is in it. */
  readonly writtenThrough: readonly number[]
  /** Columns without which no UPDATE of the table changes what is in it; absent: not known. */
  readonly columns?: readonly string[] | null
}

/** Names, in any schema, of what runs code of the user's unsaid, or could be meant instead of Postgres' own. */
export type UserCode = {
  /** Relations: a write to them may leave something behind in its server session. */
  readonly writes: ReadonlySet<string>
  /** Relations: reading them may, too. */
  readonly reads: ReadonlySet<string>
  readonly functions: ReadonlySet<string>
  readonly operators: ReadonlySet<string>
  /** For types of the user's, too. */
  readonly ownOperators: ReadonlySet<string>
}

/** All functions of the user's of one name, in whatever schema and with whatever arguments. */
export type UserFunction = {
  /** They are the same on all nodes. */
  readonly isEverywhere: boolean
  /** Of each of them; undefined: one is no function of one value in SQL or PL/pgSQL. */
  readonly bodies: readonly FunctionBody[] | undefined
}

export type FunctionBody = {
  readonly language: 'sql' | 'plpgsql'
  /** Of SQL the body alone, unless it was parsed when it was made: else the whole CREATE OR REPLACE FUNCTION. */
  readonly text: string
  /** Of its parameters, a list of expressions. */
  readonly defaults: string | null
  readonly volatility: 'i' | 's' | 'v'
}

/** A view, not a temporary one, whose rows come from distributed tables, directly or through other views. */
export type ClusterView = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly string[]
  /** Its query, all names in it qualified. */
  readonly definition: string
  /** The role whose rights reach what it reads; undefined: security_invoker. */
  readonly owner: string | undefined
  /** Other relations that it names. */
  readonly relationOids: readonly number[]
  /** Bits of pg_relation_is_updatable(); 0 also where it has triggers, rules, defaults or a security barrier of its own. */
  readonly updatable: number
  readonly hasCheckOption: boolean
  /** Of all of the above, as VIEW_STATE_SQL gives it. */
  readonly state: string
}

/** A materialized view over distributed tables: it reads a view of ours, whose query is its definition. */
export type MaterializedView = {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly owner: string
  /** Also one of the catalog's views. */
  readonly query: ClusterView
}

export type Catalog = {
  readonly database: string
  /** Grows with every change of the metadata; a plan is valid for one version only. */
  readonly version: number
  /** false: this database has no metadata schema; everything is local. */
  readonly isInstalled: boolean
  /** All nodes, the coordinator first. Always at least the coordinator. */
  readonly nodes: readonly ClusterNode[]
  /** Key: tableKey(schema, name). */
  readonly tables: ReadonlyMap<string, ClusterTable>
  /** Key: tableKey(schema, name). */
  readonly views: ReadonlyMap<string, ClusterView>
  /** Key: tableKey(schema, name). Absent: there are none. */
  readonly materializedViews?: ReadonlyMap<string, MaterializedView>
  /** Key: tableKey(schema, name) of local relations that bear the name of a cluster table or view in another schema. */
  readonly shadowingRelations: ReadonlySet<string>
  /** Absent: there are none. */
  readonly globalIndexes?: readonly GlobalIndex[]
  /** undefined: not asked for, in a database without metadata. */
  readonly userCode?: UserCode | undefined
  /** By name. Absent: there are none, or it wasn't asked whether the nodes have them. */
  readonly functions?: ReadonlyMap<string, UserFunction>
  /** Names of types of users that mean the same on all nodes. */
  readonly commonTypes?: ReadonlySet<string>
  /** Key: oidKey() of a shard's table on its node -> OID of the shell on the coordinator. */
  readonly shellOids: ReadonlyMap<number, number>
  /** Types created by users that other nodes than the coordinator have too. Absent: there are none. */
  readonly userTypes?: UserTypes
}

export function tableKey(schema: string, name: string): string {
  return `${schema}\0${name}`
}

/** An object of one node: a number, since looking one up is a part of each row description. */
export function oidKey(nodeId: number, oid: number): number {
  return nodeId * 0x1_0000_0000 + oid
}

/** The first value of a query's first row on one node. */
export type ReadOnNode = (nodeId: number, text: string) => Promise<string | undefined>

/** How control/ gives the current snapshot to everyone else. */
export interface CatalogSource {
  /** The newest snapshot in memory; never waits. */
  current(): Catalog
  /** Reads the metadata again now, and returns a snapshot at least as new as the call. */
  refresh(): Promise<Catalog>
  /**
   * The catalog as a transaction sees it, which may have changed it. `nodeIds`: nodes that take part in it. The shared
   * snapshot itself where they don't differ.
   */
  readThrough(read: ReadOnNode, nodeIds: readonly number[]): Promise<Catalog>
}
