import type { ClusterTable, ClusterView, DistributedTable } from '../catalog/catalog.ts'
import type { ResultShape } from './cluster-results.ts'
import type { DdlCommand } from './ddl-command.ts'
import type { DistinctExchange } from './distinct-exchange-plan.ts'
import type { LockedSelect } from './locked-plans.ts'
import type { PulledWays } from './pull/pulled-ways.ts'
import type { MaterializePlan } from './views/materialize-plan.ts'
import type { UniqueWritePlan } from './write/unique-writes.ts'
import type {
  ChosenModify,
  InsertThroughScratchPlan,
  MirroredPlan,
  ReferenceWritePlan,
  ScatterModify,
} from './write/write-plans.ts'

/**
 * Plans are frozen values: cached, shared by all sessions, valid for one catalog version. What belongs to one
 * execution (parameters, literals of the text at hand, session settings) rides on the call, never on the plan.
 */
export type Plan =
  | LocalPlan
  | SelectPlan
  | PulledPlan
  | ModifyPlan
  | InsertRowsPlan
  | InsertThroughScratchPlan
  | MirroredPlan
  | ReferenceWritePlan
  | UniqueWritePlan
  | CopyPlan
  | CopyQueryPlan
  | DdlPlan
  | MaterializePlan
  | FunctionPlan
  | FunctionQueryPlan
  | LockPlan
  | ExplainPlan
  | DeclareCursorPlan
  | SessionPlan
  | RefusalPlan

/** A byte range of the statement's own text, [start, end). */
export type TextRange = { readonly start: number; readonly end: number }

/**
 * A text with holes for the shard's schema, as alternating pieces: pieces[0] schema pieces[1] schema … pieces[n].
 * The executor puts the quoted schema name into each hole. UTF-8.
 */
export type ShardText = {
  readonly pieces: readonly Buffer[]
  /** For each hole: which user schema it stands for (a group has one physical schema per shard and user schema). */
  readonly holeTables: readonly DistributedTable[]
  /** SHARD_LITERAL stands for the shard's number. */
  readonly namesShard?: boolean
}

export const SHARD_LITERAL = "'pgloom_hole_shard'"

/**
 * Where the text of a *cached* statement is spliced, relative to the literals of the text at hand:
 * `literal` = how many literals lie before; `delta` = bytes from the end of the last of these (or from the start).
 * `length` bytes (the user's own qualifier, mostly none) are replaced by the quoted schema and `suffix`.
 */
export type Splice = {
  readonly literal: number
  readonly delta: number
  readonly length: number
  readonly table: DistributedTable
  /**
   * What follows the quoted schema: a dot. The name itself stays, so no alias is needed, and `public.events.x` can be
   * spliced in the same way.
   */
  readonly suffix: Buffer
}

/** Where a value of the distribution column comes from when the statement is run. */
export type KeySource =
  /** n-th literal of the statement text, as the lexer counts them. `negative`: a minus sign stands before it. */
  | { readonly kind: 'literal'; readonly ordinal: number; readonly negative: boolean }
  /** $n */
  | { readonly kind: 'parameter'; readonly number: number }
  /** A value that no literal of the text gives (TRUE), or whose literal the lexer would not name: its text form. */
  | { readonly kind: 'constant'; readonly text: string }
  /** NULL, or a contradiction: no row can match. */
  | { readonly kind: 'nothing' }

/** The values that one table occurrence is pinned to (`=` one, `IN` several). undefined: not pinned. */
export type Pin = {
  readonly table: DistributedTable
  readonly values: readonly KeySource[] | undefined
  /** The rows of an INSERT inside the statement go there: NULL, which has no shard, is an error (22004). */
  readonly rejectsNull?: boolean
}

/** Runs verbatim on the coordinator. Also reference tables read there. */
export type LocalPlan = {
  readonly kind: 'local'
  /** Names to replace in the text first (metadata views, catalog lenses), or none. In text order. */
  readonly replacements: readonly Replacement[]
  /** Sizes shown by the metadata views must be refreshed first. */
  readonly refreshesSizes: boolean
  /** Creates or changes objects, so that the catalog snapshot may have changed. */
  readonly changesCatalog: boolean
  /** May run on any connection in autocommit: no session state is left behind. Else the reason of the pin. */
  readonly pin: PinReason | undefined
  /** Set by set_config(); the coordinator knows to what. */
  readonly setsSettings: readonly string[]
  /** currval(), lastval(): of the server session that used the sequence. 'alone': nothing else, so on any node. */
  readonly readsSequences: 'none' | 'alone' | 'beside others'
  /** What Postgres tells of the session itself, where part of that is known to the proxy only. */
  readonly sessionViews: readonly SessionView[]
  /** DECLARE, FETCH, MOVE or CLOSE: the last three run where the cursor lives. */
  readonly cursor: LocalCursor | undefined
  /** Provably writes nothing (plain SELECT without row locks or unknown functions). */
  readonly isReadOnly: boolean
  /** Runs code of the user's, which may leave anything behind in its server session. */
  readonly runsCode: boolean
  /** true if every literal may differ without changing this plan: cacheable by shape. */
  readonly isShapeStable: boolean
}

export type LocalCursor = {
  readonly action: 'declare' | 'fetch' | 'close'
  readonly name: string
  readonly isHeld: boolean
}

export type SessionView = 'pg_cursors' | 'pg_prepared_statements' | 'pg_listening_channels'

/** A view that a statement reads, and with whose rights: undefined: the session's own. */
export type ViewUse = {
  readonly view: ClusterView
  readonly reader: string | undefined
  /** FOR UPDATE and its kin need more rights. */
  readonly locks: boolean
  /** It is the target, and what it reads from is written. */
  readonly write?: {
    readonly right: 'INSERT' | 'UPDATE' | 'DELETE'
    /** The statement may read its columns. */
    readonly reads: boolean
    /** The relation below. */
    readonly baseOid: number
  }
}

export type Replacement = TextRange & { readonly text: string }

export type PinReason =
  | 'temporary table'
  | 'advisory lock'
  | 'listen'
  | 'cursor with hold'
  | 'session setting'
  /** PREPARE by code of the user's. */
  | 'prepared statement'
  | 'random seed'

export type RoutedStatement = {
  /** Every occurrence of a distributed table at any depth. */
  readonly pins: readonly Pin[]
  readonly splices: readonly Splice[]
  /** Literal values do not matter: cacheable by shape. */
  readonly isShapeStable: boolean
  readonly isReadOnly: boolean
  /** As in LocalPlan. */
  readonly runsCode: boolean
}

/**
 * When all pins are one shard: splice and relay (`routed`). Otherwise `multi`, on the shards that
 * every pin allows (or all of the group).
 */
export type SelectPlan = {
  readonly kind: 'select'
  readonly routed: RoutedStatement
  /**
   * Built lazily by the planner: most statements never need it. Pure; may be called any number of times. It holds the
   * literals of the text that the plan was made from: for another text of the same shape, plan anew first.
   */
  readonly multi: () => ScatterSelect | LockedSelect | PulledPlan | MirroredPlan | RefusalPlan
}

/**
 * A statement that only Postgres itself can answer over all rows: those it may need of each distributed table come
 * into temporary tables on the coordinator, where it runs with their names in place of the tables'.
 */
export type PulledPlan = PulledWays & {
  readonly kind: 'pulled'
  readonly pulls: readonly PulledRows[]
  /** SELECTs inside the statement that are answered first, over all shards. */
  readonly parts: readonly PulledPart[]
  /** Where the names of distributed tables stand in the text, in text order. */
  readonly places: readonly PulledPlace[]
  /** The statement as the coordinator's own: other names to replace, whether it writes … */
  readonly local: LocalPlan
}

export type PulledRows = WorkerQuery & {
  readonly table: DistributedTable
  readonly pins: readonly Pin[]
  /** Of the table, in the order of the worker query; the others of the temporary table stay NULL. */
  readonly columns: readonly string[]
  /** GROUP BY may depend on it. */
  readonly needsPrimaryKey: boolean
  /** FOR UPDATE and its kin. */
  readonly locksRows?: boolean
  /** false: all rows of these shards. */
  readonly isFiltered: boolean
  /** The same but for what is asked of their partners in other tables; absent: nothing is. */
  readonly unjoined?: () => PulledRows
}

/** What one shard is asked. */
export type WorkerQuery = {
  readonly worker: ShardText
  /** Parameters of the original statement that it uses, in the order of its own $1… */
  readonly parameters: readonly number[]
  /**
   * now() and its kin were replaced by the placeholder `$n::timestamptz` with n = parameters.length + 1: the executor
   * supplies one value (StatementContext.transactionTime) for all shards.
   */
  readonly usesTransactionTime: boolean
}

/** The text of a SELECT inside the statement, instead of which the combine query over the gathered rows is put. */
export type PulledPart = TextRange & {
  readonly scatter: ScatterSelect
  /** How many columns the worker query of the plan, or of its alternative, has. */
  readonly width: (plan: ScatterSelect) => number
  /** The SELECT's own columns. */
  readonly names: readonly string[]
}

export type PulledPlace = TextRange & {
  /** Index in `pulls`. */
  readonly pull: number
  /** What follows the temporary table's name, e.g. ` AS events`. */
  readonly suffix: string
}

export type ScatterSelect = WorkerQuery & {
  readonly kind: 'scatter'
  /** The table whose shards are visited, and the pins that restrict them. */
  readonly table: DistributedTable
  readonly pins: readonly Pin[]
  /** undefined: the shards' rows are the answer, in any order (no ORDER BY, LIMIT …). */
  readonly combine: CombineQuery | undefined
  /** Another way to the same answer. Pure. */
  readonly distinctExchange?: () => DistinctExchange | undefined
  /** FOR UPDATE and its kin, in each shard. */
  readonly locksRows: boolean
  /** At most this many rows are wanted of all together; the executor may stop the shards then. */
  readonly rowLimit: number | undefined
}

/**
 * SQL for the coordinator over the gathered rows. `text(source)` puts in the row source: a FROM item that the
 * executor makes, whose alias is `s` and whose columns are named c1, c2 … in the worker query's order and have its types
 * (`unnest(…) AS s(c1, c2)`, `some_temp_table AS s`).
 */
export type CombineQuery = {
  /** `columnTypeOids`: types of the gathered columns, as the shards' RowDescription gave them. */
  readonly text: (
    source: string,
    columnTypeOids: readonly number[],
    columnNames: readonly string[],
  ) => string
  readonly parameters: readonly number[]
  /** As in ScatterSelect, for the combine query's own parameters: number parameters.length + 1. */
  readonly usesTransactionTime: boolean
  /** Partial aggregates that would be inexact if column n (0 based) were of one of these types: gather instead. */
  readonly inexactTypes: readonly {
    readonly column: number
    readonly typeOids: readonly number[]
  }[]
  /** The exact alternative for that case: ships plain rows and aggregates them on the coordinator. */
  readonly gathered: (() => ScatterSelect | PulledPlan | RefusalPlan) | undefined
}

/** UPDATE, DELETE, and INSERT … SELECT between colocated tables. */
export type ModifyPlan = {
  readonly kind: 'modify'
  readonly routed: RoutedStatement
  /** The same statement on every allowed shard; command tags are summed, RETURNING rows concatenated. */
  readonly multi: () =>
    | ScatterModify
    | ChosenModify
    | InsertThroughScratchPlan
    | MirroredPlan
    | RefusalPlan
  /** WHERE CURRENT OF this cursor: on the cursor's shard, whatever the pins. */
  readonly currentOf: string | undefined
}

/** INSERT … VALUES with constant or parameter keys. One row or many on one shard: `routed`. */
export type InsertRowsPlan = {
  readonly kind: 'insert-rows'
  readonly table: DistributedTable
  readonly routed: RoutedStatement
  /** Byte range of each row `( … )` in the text, in order, and its key. */
  readonly rows: readonly { readonly range: TextRange; readonly key: KeySource }[]
  readonly hasReturning: boolean
  /** Where a key's value turns out to be known only to Postgres. As `multi` of a SelectPlan. */
  readonly evaluated: () => InsertThroughScratchPlan | MirroredPlan | RefusalPlan
}

export type CopyPlan = {
  readonly kind: 'copy'
  readonly table: ClusterTable
  readonly direction: 'from' | 'to'
  /** Where the table's name stands in the text. */
  readonly target: TextRange
  /** What is left out of WHERE: the table's name before columns. */
  readonly qualifiers: readonly Replacement[]
  /** Column names as listed, or all that COPY would take. */
  readonly columns: readonly string[]
  readonly format: 'text' | 'csv' | 'binary'
  readonly hasHeader: boolean
  /** FROM: absent where only Postgres can read the rows. */
  readonly rows?: CopyRows | undefined
}

/** What must be known of the rows of a COPY FROM to send each to its shard. */
export type CopyRows = {
  /** Place of the distribution column among the columns given. */
  readonly keyIndex: number
  readonly columnCount: number
  /** undefined: the client's. */
  readonly encoding: string | undefined
} & (
  | { readonly format: 'binary' }
  | {
      readonly format: 'text' | 'csv'
      /** ASCII bytes, all different (but `escape` may be `quote`). */
      readonly delimiter: number
      readonly quote: number
      readonly escape: number
      readonly nullText: Buffer
      /** FORCE_NULL or FORCE_NOT_NULL is said of some column. */
      readonly forcesNulls: boolean
    }
)

/** COPY (query) TO STDOUT, where the query reads distributed tables. */
export type CopyQueryPlan = {
  readonly kind: 'copy-query'
  /** Its places and literal ordinals count from the start of the whole text, COPY included. */
  readonly query: SelectPlan | PulledPlan | ModifyPlan | InsertRowsPlan | MirroredPlan
  /** How a write runs that not one shard alone can carry out; undefined: it is none. */
  readonly mirrored: (() => MirroredPlan | RefusalPlan) | undefined
  /** What stands between the parentheses. */
  readonly queryText: TextRange
  readonly format: CopyPlan['format']
  readonly hasHeader: boolean
}

/** DDL on cluster tables: carried out by control/ on the shells, the shards and the metadata. */
export type DdlPlan = {
  readonly kind: 'ddl'
  readonly command: DdlCommand
  readonly tables: readonly ClusterTable[]
  /**
   * Spliced for a shard: the qualifier of every cluster table's name in the text (target and others), so that the
   * range is replaced by the quoted schema and a dot; empty range before an unqualified name.
   * DROP TABLE and DROP INDEX have none: the parser gives no places for their names.
   */
  readonly splices: readonly (TextRange & { readonly table: ClusterTable })[]
  /**
   * DROP INDEX, ALTER INDEX: the indexes' names, which may belong to local tables: then the statement is run
   * verbatim on the coordinator. Otherwise empty.
   */
  readonly indexNames: readonly ObjectName[]
  /** ALTER TYPE, DROP TYPE and the same of domains: their names, which may be of types that only the coordinator has. */
  readonly typeNames?: readonly ObjectName[]
  /** Values of them may come to be others, or hash otherwise. */
  readonly changesValues?: boolean
  /** CREATE EXTENSION, DROP EXTENSION. */
  readonly extensionNames?: readonly string[]
}

export type ObjectName = { readonly schema: string | undefined; readonly name: string }

/** A call of a cluster function that only the proxy can carry out: SELECT f(…) or SELECT … FROM f(…). */
export type FunctionPlan = {
  readonly kind: 'function'
  readonly name: string
  /** Each argument as a text that the coordinator evaluates, and its name when it was given by name. */
  readonly arguments: readonly { readonly name: string | undefined; readonly text: string }[]
  readonly parameters: readonly number[]
  /** `SELECT * FROM f(…)` instead of `SELECT f(…)`. */
  readonly inFrom: boolean
}

/** A SELECT over local things around calls of cluster functions, which are made first. */
export type FunctionQueryPlan = {
  readonly kind: 'function-query'
  /** In the order in which they are made. */
  readonly calls: readonly FunctionCall[]
  /** The statement for the coordinator: pieces[0] calls[holes[0]] pieces[1] … */
  readonly pieces: readonly string[]
  readonly holes: readonly number[]
  readonly isReadOnly: boolean
  /** As in LocalPlan. */
  readonly refreshesSizes: boolean
}

export type FunctionCall = { readonly plan: FunctionPlan; readonly shape: ResultShape }

/** LOCK TABLE of which at least one is a cluster table. */
export type LockPlan = {
  readonly kind: 'lock'
  readonly tables: readonly ClusterTable[]
  /** For example `ACCESS EXCLUSIVE`. */
  readonly mode: string
  readonly isNowait: boolean
}

export type ExplainPlan = {
  readonly kind: 'explain'
  readonly analyzes: boolean
  /** Options other than ANALYZE and FORMAT, quoted: `"verbose", "costs" 'off'`. */
  readonly options: string
  readonly format: 'text' | 'json' | 'xml' | 'yaml'
  readonly showsCosts: boolean
  readonly showsTiming: boolean
  readonly showsSummary: boolean
  /** Its places and literal ordinals count from the start of the whole text, EXPLAIN included. */
  readonly statement: Plan
  /** The explained statement's own text inside the text. */
  readonly statementText: TextRange
}

/** DECLARE of a cursor over distributed tables. */
export type DeclareCursorPlan = {
  readonly kind: 'declare-cursor'
  readonly name: string
  readonly isHeld: boolean
  /** `DECLARE … FOR ` with all options, for a query of our own. */
  readonly head: string
  /** The cursor's query. Its places and literal ordinals count from the start of the whole text. */
  readonly statement: SelectPlan | PulledPlan
}

/** Statements about the session itself, carried out by session/. */
export type SessionPlan = {
  readonly kind: 'session'
  readonly command: SessionCommand
}

export type SessionCommand =
  | { readonly kind: 'begin'; readonly options: string }
  | { readonly kind: 'commit'; readonly chain: boolean }
  | { readonly kind: 'rollback'; readonly chain: boolean }
  | { readonly kind: 'savepoint'; readonly name: string }
  | { readonly kind: 'release'; readonly name: string }
  | { readonly kind: 'rollback-to'; readonly name: string }
  | { readonly kind: 'prepare-transaction'; readonly gid: string }
  | { readonly kind: 'finish-prepared'; readonly commits: boolean; readonly gid: string }
  /** SET [LOCAL|SESSION] name = … ; SET TIME ZONE … ; SET TRANSACTION … is its own kind. `value` undefined: DEFAULT. */
  | {
      readonly kind: 'set'
      readonly name: string
      readonly isLocal: boolean
      readonly value: string | undefined
    }
  | { readonly kind: 'reset'; readonly name: string }
  | { readonly kind: 'reset-all' }
  | { readonly kind: 'set-transaction' }
  /** SET SESSION CHARACTERISTICS: default_transaction_isolation and its kin. */
  | {
      readonly kind: 'set-several'
      readonly settings: readonly { readonly name: string; readonly value: string }[]
    }
  | { readonly kind: 'show'; readonly name: string }
  | { readonly kind: 'discard'; readonly what: 'all' | 'plans' | 'sequences' | 'temp' }
  | {
      readonly kind: 'prepare'
      readonly name: string
      readonly types: readonly string[]
      readonly statement: TextRange
    }
  | { readonly kind: 'execute'; readonly name: string; readonly arguments: readonly string[] }
  | {
      readonly kind: 'explain-execute'
      /** `EXPLAIN (…) `, as written. */
      readonly head: string
      readonly format: ExplainPlan['format']
      readonly name: string
      readonly arguments: readonly string[]
    }
  | { readonly kind: 'deallocate'; readonly name: string | undefined }
  | { readonly kind: 'close-all' }
  | { readonly kind: 'listen'; readonly channel: string }
  /** undefined: all */
  | { readonly kind: 'unlisten'; readonly channel: string | undefined }

export type RefusalPlan = {
  readonly kind: 'refusal'
  /** Key of planner/refusals.ts */
  readonly id: string
  readonly detail?: string
  /** Byte offset in the statement of what is refused, where known. */
  readonly offset?: number
}
