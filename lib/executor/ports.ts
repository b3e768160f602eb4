import type { BackendConnection } from '../backend/backend-connection.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { DdlPlan, FunctionPlan, LocalPlan, PinReason } from '../planner/plan.ts'
import type { FieldDescription } from '../wire/row-description.ts'
import type { SessionCursors } from './transaction/session-cursors.ts'

/** ClientPort.write copies any piece smaller than this. */
export const COPIED_BYTES = 4096

/** What the executor asks of the client's side. Implemented by session/client-output.ts. */
export interface ClientPort {
  /**
   * Whole messages, or a run of DataRow/CopyData bytes, for the client. Small pieces are copied and leave with
   * the others of this event-loop turn; for a large one the answer is 'kept' while the socket still refers to `chunk`.
   */
  write(chunk: Buffer, start: number, end: number): 'taken' | 'kept'
  /** As write(), of the end of an answer: it leaves at once, with what waited. Absent: write() will do. */
  writeNow?(chunk: Buffer, start: number, end: number): 'taken' | 'kept'
  /** true: too much is waiting for the client; pause the sources and go on in whenDrained. */
  readonly isCongested: boolean
  /** true: more than others should have to wait for as well. Absent: never.*/
  readonly isFlooded?: boolean
  /** Calls back once, when the client's socket has drained (or the client is gone). */
  whenDrained(resume: () => void): void
  /** Messages of the COPY the client is sending: each CopyData's body, then undefined at CopyDone. Throws on CopyFail. */
  copyData(): AsyncIterable<Buffer>
  /** CopyInResponse has just been written: from now on the client's CopyData belong to copyData(). */
  readonly log: { readonly sessionId: number }
}

/** The values of one execution. */
export type Parameters = {
  /** Type OIDs as declared in Parse; 0 = unspecified. Shorter than values: the rest is 0. */
  readonly types: readonly number[]
  /** As in Bind: none = all text, one = for all, else one each. */
  readonly formats: readonly number[]
  /** undefined = NULL */
  readonly values: readonly (Buffer | undefined)[]
}

export type Keeping = 'named' | 'repeated'

/** One run of one statement. */
export type Execution = {
  /** The statement's own text (a single statement of a script), UTF-8. */
  readonly text: Buffer
  /** Characters of the client's message before `text`: error positions count from the message's start. 0 if absent. */
  readonly positionBase?: number
  readonly parameters: Parameters
  /** As in Bind: none = all text, one = for all, else one each. */
  readonly resultFormats: readonly number[]
  /** true: the client must get RowDescription first (simple protocol). */
  readonly sendsRowDescription: boolean
  /** The columns that the client relies on: rows of others are an error, ResultTypeChange. */
  readonly expectedFields?: readonly FieldDescription[] | undefined
  /** 0: all rows. Else PortalSuspended after so many; only where `PortalRun.resume` can go on. */
  readonly maxRows: number
  /**
   * It will run again, so servers may keep it prepared. 'named': the client has prepared it, and is told as by one Postgres when
   * its columns have changed since; 'repeated': it sends the same text again and again, for one plan each.
   */
  readonly keepsStatement?: Keeping | undefined
}

/**
 * What a statement may use of its session's world: the client's transaction, its settings and its cancel signal.
 * Implemented by executor/statement-context.ts over executor/transaction.ts.
 */
export interface StatementContext {
  readonly catalog: Catalog
  readonly client: ClientPort
  /** Aborted when the client cancels, is gone, or a time-out strikes; its reason is a RouterError. */
  readonly signal: AbortSignal
  /** Inside a transaction block (explicit, or implicit for a script). */
  readonly isInTransaction: boolean
  /**
   * The connection of this session's transaction to a node, settings applied: BEGIN (and savepoints) have been
   * queued on it when it joined. Outside a transaction: one borrowed until the statement ends, in autocommit.
   * 'write' marks the node as a writer of the transaction.
   */
  connection(nodeId: number, access: 'read' | 'write'): Promise<BackendConnection>
  /** As connection() for reading, if that needs no waiting. */
  connectionNow?(nodeId: number): BackendConnection | undefined
  /** The session keeps its connection to this node, which the statement must be using, between transactions. */
  pin(nodeId: number, reason: PinReason): void
  /** Code of the user's is about to run there, as with `watch`. */
  taint(connection: BackendConnection): void
  /** `local` is about to run there: what it may leave behind in its server session is this session's. */
  watch(connection: BackendConnection, local: LocalPlan): void
  readonly cursors: SessionCursors
  /** What a statement may use beyond one connection a node; undefined: nothing, for instance inside a transaction. */
  readonly spare?: SpareConnections | undefined
  /** One outside the client's transaction, given back when the statement ends, if it can be had at once. */
  beside?(nodeId: number): Promise<BackendConnection> | undefined
  /** A connection outside the client's transaction, settings applied, given back when the statement ends. */
  sideConnection(nodeId: number): Promise<BackendConnection>
  /**
   * Runs `work` so that all its writes on all nodes commit together or not at all: in the client's transaction if
   * there is one, else in one of its own, committed by two-phase commit where more than one node wrote.
   */
  atomically<T>(work: () => Promise<T>): Promise<T>
  /** As atomically(), for what reads several shards as of one moment; absent unless the session asks for that. */
  readonly consistently?: (<T>(work: () => Promise<T>) => Promise<T>) | undefined
  /** Reads of several shards are to be of one moment each, in a READ COMMITTED transaction. See scatter/one-moment.ts. */
  readonly moment?: OneMoment | undefined
  /** The value of now() in this transaction, as text of timestamptz in ISO form; asked of the coordinator once. */
  transactionTime(): Promise<string>
  /** A request of the statement is on its way there, and nothing follows it before its answer. Absent: nobody needs to know. */
  sent?(connection: BackendConnection): void
  /** For metrics: the way in which the statement turned out to run, where its plan left that open. */
  noteTier(tier: QueryTier): void
}

/** Runs `snapshot`, which takes one on each connection, while no distributed commit is half done. */
export type OneMoment = (
  connections: readonly BackendConnection[],
  snapshot: () => Promise<void>,
) => Promise<void>

/** Further connections for reading. */
export interface SpareConnections {
  /** Of one node and statement, the first included: citus.max_adaptive_executor_pool_size. */
  readonly maxPerNode: number
  /** citus.executor_slow_start_interval */
  readonly slowStartMs: number
  /** The pool has one to give, without anybody having to wait for it. */
  has(nodeId: number): boolean
  /** Settings applied; given back when the statement ends. Rejects when the signal is aborted first. */
  take(nodeId: number, signal: AbortSignal): Promise<BackendConnection>
}

/** Cluster functions (create_distributed_table …) and DDL; implemented in control/, plugged in by router.ts. */
export interface ClusterCommands {
  /** Evaluated arguments in the function's declared order, undefined where the default is to be used. */
  callFunction(
    plan: FunctionPlan,
    context: StatementContext,
    execution: Execution,
  ): Promise<FunctionResult>
  /**
   * Types of the call's $1…, as the function declares its arguments. `declared`: those of Parse, 0 where it said nothing.
   * Throws when there is no function with such arguments.
   */
  parameterTypes(
    plan: FunctionPlan,
    declared: readonly number[],
    context: StatementContext,
  ): Promise<readonly number[]>
  runDdl(plan: DdlPlan, context: StatementContext, execution: Execution): Promise<CommandTag>
  /** Brings the sizes that citus_shards and citus_tables show up to date. */
  refreshSizes(context: StatementContext): Promise<void>
}

export type FunctionResult = {
  readonly columns: readonly {
    readonly name: string
    readonly typeOid: number
    readonly typeSize: number
  }[]
  /** Text form. */
  readonly rows: readonly (readonly (string | undefined)[])[]
}

/** For example `UPDATE 3`. */
export type CommandTag = string

/** Optional; each method is called at most once a statement, never per row. */
export interface QueryObserver {
  /** The statement ended well. */
  queryDone(tier: QueryTier, durationMs: number): void
  queryFailed(sqlState: string): void
}

export type QueryTier =
  | 'local'
  | 'router'
  | 'scatter'
  | 'combine'
  | 'pull'
  | 'reference'
  | 'command'
