import type { ClusterView } from '../../catalog/catalog.ts'
import { resolveTable, resolveView } from '../../catalog/catalog-lookup.ts'
import type { ParserHost } from '../../sql/parser-host.ts'
import { outputName } from '../output-names.ts'
import type { ViewUse } from '../plan.ts'
import { type PlanInput, printStatement } from '../plan-input.ts'
import { refuse } from '../refusals.ts'
import type { NameContext } from '../table-references.ts'
import {
  type ColumnRef,
  isRecord,
  type RangeVar,
  type SelectStmt,
  strings,
  type Tree,
  walkTree,
} from '../tree.ts'

/** Bits of pg_relation_is_updatable(). */
const EVENTS = { UpdateStmt: 4, InsertStmt: 8, DeleteStmt: 16 } as const
const RIGHTS = { UpdateStmt: 'UPDATE', InsertStmt: 'INSERT', DeleteStmt: 'DELETE' } as const

type WriteKind = keyof typeof EVENTS
type Write = Readonly<Record<string, unknown>> & {
  readonly relation?: RangeVar
  readonly targetList?: readonly Tree[]
  readonly cols?: readonly Tree[]
  readonly selectStmt?: Tree
  readonly onConflictClause?: object
  readonly returningClause?: Readonly<Record<string, unknown>> & {
    readonly exprs?: readonly Tree[]
  }
  readonly whereClause?: Tree
}

export type ViewTarget = {
  readonly view: ClusterView
  /** Whose rights reach the view; undefined: the session's. */
  readonly reader: string | undefined
  /** A view around this one has a CHECK OPTION that reaches it. */
  readonly isChecked: boolean
}

export type RewrittenWrite = {
  readonly text: string
  readonly use: ViewUse
  readonly isChecked: boolean
}

/** false: Postgres knows better what to do with the write than we: a trigger, a rule, or its error. */
export function isRewritable(kind: string, view: ClusterView): boolean {
  return kind in EVENTS && (view.updatable & EVENTS[kind as WriteKind]) !== 0
}

/**
 * An INSERT, UPDATE or DELETE of a view that Postgres calls automatically updatable, as one of the relation below it. Postgres'
 * own errors of the statement as it was must be asked for before: what it may name is what the view has.
 */
export function rewriteWrite(
  context: NameContext,
  kind: string,
  statement: Tree,
  target: ViewTarget,
  parser: ParserHost,
): RewrittenWrite {
  return new WriteRewriting(context, kind as WriteKind, statement, target, parser).rewritten()
}

class WriteRewriting {
  readonly #input: Pick<PlanInput, 'parser'>
  readonly #kind: WriteKind
  readonly #write: Write
  readonly #target: ViewTarget
  /** What the statement calls the view. */
  readonly #name: string
  readonly #query: SelectStmt
  readonly #base: RangeVar
  readonly #baseOid: number
  readonly #columns: ReadonlyMap<string, Tree>
  /** All columns bear the names that they have below. */
  readonly #isPlain: boolean

  constructor(
    context: NameContext,
    kind: WriteKind,
    statement: Tree,
    target: ViewTarget,
    parser: ParserHost,
  ) {
    const { view } = target
    this.#input = { parser }
    this.#kind = kind
    this.#write = (statement[kind] ?? {}) as Write
    this.#target = target
    const { relation } = this.#write
    if (relation?.inh !== true) refuse('view-form')
    this.#name = relation?.alias?.aliasname ?? view.name
    const query = parser.parse(Buffer.from(view.definition)).stmts[0]?.stmt as Tree | undefined
    this.#query = query?.SelectStmt ?? {}
    this.#base = this.#query.fromClause?.[0]?.RangeVar ?? refuse('view-write')
    const { schemaname, relname = '' } = this.#base
    const below =
      resolveTable(context.catalog, [], schemaname, relname) ??
      resolveView(context.catalog, [], schemaname, relname)
    this.#baseOid = below?.oid ?? refuse('view-write')
    const targets = this.#query.targetList ?? []
    const expressions = targets.map(({ ResTarget }) => this.#own(ResTarget?.val ?? {}))
    this.#columns = new Map(view.columns.map((name, index) => [name, expressions[index] ?? {}]))
    this.#isPlain = [...this.#columns].every(([name, value]) => columnName(value) === name)
  }

  rewritten(): RewrittenWrite {
    const { view, reader } = this.#target
    const checks = this.#target.isChecked || view.hasCheckOption
    if (checks) this.#check()
    const { schemaname, relname } = this.#base
    const relation = {
      ...this.#write.relation,
      schemaname,
      relname,
      alias: { aliasname: this.#name },
    }
    const body = { ...this.#write, relation, ...this.#parts() }
    const text = printStatement(this.#input as PlanInput, { [this.#kind]: body })
    const right = RIGHTS[this.#kind]
    const write = { right, reads: this.#reads(), baseOid: this.#baseOid }
    return { text, use: { view, reader, locks: false, write }, isChecked: checks }
  }

  #parts(): Partial<Write> {
    const { targetList, whereClause, onConflictClause } = this.#write
    const returningClause = this.#mapped(this.#returning())
    if (this.#kind === 'InsertStmt') {
      const mapped = { onConflictClause: this.#conflict(onConflictClause), returningClause }
      return { ...this.#insertColumns(), ...present(mapped) }
    }
    const qual = this.#query.whereClause
    const own = whereClause === undefined ? [] : [this.#mapped(whereClause)]
    const conditions = qual === undefined ? own : [this.#qual(qual), ...own]
    const assigned = targetList?.map((item) => this.#assigned(item))
    return present({
      whereClause:
        conditions.length > 1
          ? { BoolExpr: { boolop: 'AND_EXPR', args: conditions } }
          : conditions[0],
      returningClause,
      targetList: this.#kind === 'UpdateStmt' ? assigned : undefined,
    })
  }

  /** Those that are given values, by the names that they have below. */
  #insertColumns(): Partial<Write> {
    const { cols, selectStmt } = this.#write
    if (cols !== undefined) return { cols: cols.map((item) => this.#renamed(item)) }
    if (selectStmt === undefined) return {}
    const { valuesLists, targetList = [] } = selectStmt.SelectStmt ?? {}
    const isOpen = targetList.some(({ ResTarget }) => isStar(ResTarget?.val))
    const width = valuesLists?.[0]?.List?.items?.length ?? (isOpen ? 0 : targetList.length)
    const names = this.#target.view.columns.slice(0, width === 0 ? undefined : width)
    return { cols: names.map((name) => this.#renamed({ ResTarget: { name } })) }
  }

  #assigned(item: Tree): Tree {
    const { val } = item.ResTarget ?? {}
    // means NULL there
    if (val?.SetToDefault !== undefined) refuse('view-write')
    const renamed = this.#renamed(item)
    return val === undefined
      ? renamed
      : { ResTarget: { ...renamed.ResTarget, val: this.#mapped(val) } }
  }

  #renamed(item: Tree): Tree {
    const column = this.#columns.get(item.ResTarget?.name ?? '')
    // what is no column is Postgres' to refuse
    const name = column === undefined ? item.ResTarget?.name : columnName(column)
    return { ResTarget: { ...item.ResTarget, ...(name === undefined ? {} : { name }) } }
  }

  /** Stars as the view's columns, and all with the names that they have above. */
  #returning(): Write['returningClause'] {
    const { returningClause } = this.#write
    const exprs = returningClause?.exprs?.flatMap((item): readonly Tree[] => {
      const { name, val } = item.ResTarget ?? {}
      if (val === undefined) return [item]
      if (!isStar(val)) return [{ ResTarget: { ...item.ResTarget, name: name ?? outputName(val) } }]
      const [first = '', ...others] = strings(val.ColumnRef?.fields)
      if (others.length > 0 && first !== this.#name) return [item]
      if (others.length === 0 && this.#hasOthers()) return refuse('view-write')
      return this.#target.view.columns.map((column) => ({
        ResTarget: { name: column, val: reference([this.#name, column]) },
      }))
    })
    return exprs === undefined ? undefined : { ...returningClause, exprs }
  }

  /** Its targets are columns, by their names. */
  #conflict(clause: object | undefined): object | undefined {
    if (clause === undefined || this.#isPlain) return clause
    const { infer, targetList } = clause as { infer?: object; targetList?: readonly Tree[] }
    return infer === undefined && targetList === undefined ? clause : refuse('view-write')
  }

  #hasOthers(): boolean {
    return this.#write['fromClause'] !== undefined || this.#write['usingClause'] !== undefined
  }

  /** Names of the view's columns as what they stand for; where they stay the same, nothing need be understood. */
  #mapped<T>(value: T): T {
    if (value === undefined) return value
    refuseStars(value, this.#name)
    if (this.#isPlain) return value
    if (this.#hasOthers() || hasSubquery(value)) refuse('view-write')
    return replaceColumns(value, (fields) => {
      const name = fields.at(-1) ?? ''
      const column = this.#columns.get(name)
      return fields.length === 1 || fields[0] === this.#name ? column : undefined
    })
  }

  #qual(qual: Tree): Tree {
    walkTree(qual, (kind, node) => {
      const { alias, relname } = kind === 'RangeVar' ? (node as RangeVar) : {}
      if ((alias?.aliasname ?? relname) === this.#name) refuse('view-write')
      return undefined
    })
    return this.#own(qual)
  }

  /** An expression of the view's query, for the statement. */
  #own<T>(value: T): T {
    const alias = this.#base.alias?.aliasname ?? this.#base.relname
    return replaceColumns(value, (fields, isInner) => {
      const isOwn = fields.length === 1 ? !isInner : fields.at(-2) === alias
      return isOwn ? reference([this.#name, fields.at(-1) ?? '']) : undefined
    })
  }

  /** Rows stay where they are seen as long as what the view asks of them does not change. */
  #check(): void {
    const { whereClause } = this.#query
    if (whereClause === undefined || this.#kind === 'DeleteStmt') return
    if (this.#kind === 'InsertStmt' || hasSubquery(whereClause)) refuse('view-check-option')
    const asked = new Set<string | undefined>()
    walkTree(whereClause, (kind, node) => {
      if (kind === 'ColumnRef') asked.add(strings((node as ColumnRef).fields).at(-1))
      return undefined
    })
    for (const item of this.#write.targetList ?? []) {
      if (asked.has(this.#renamed(item).ResTarget?.name)) refuse('view-check-option')
    }
  }

  /** Whether it needs to read the view as well. */
  #reads(): boolean {
    const { relation: _target, selectStmt, ...others } = this.#write
    let found = false
    walkTree(others, (kind) => {
      if (kind === 'ColumnRef') found = true
      return !found
    })
    return found
  }
}

function present(parts: { readonly [Part in keyof Write]?: unknown }): Partial<Write> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined))
}

function columnName({ ColumnRef }: Tree): string | undefined {
  return strings(ColumnRef?.fields).at(-1)
}

function reference(names: readonly string[]): Tree {
  return { ColumnRef: { fields: names.map((sval) => ({ String: { sval } })) } }
}

function isStar(value: Tree | undefined): boolean {
  return value?.ColumnRef?.fields?.at(-1)?.A_Star !== undefined
}

/** The row below may have more columns. */
function refuseStars(value: unknown, name: string): void {
  walkTree(value, (kind, node) => {
    const { fields } = kind === 'ColumnRef' ? (node as ColumnRef) : {}
    if (fields?.at(-1)?.A_Star !== undefined && strings(fields).at(-1) === name) refuse('view-form')
    return undefined
  })
}

function hasSubquery(value: unknown): boolean {
  let found = false
  walkTree(value, (kind) => {
    if (kind === 'SubLink') found = true
    return !found
  })
  return found
}

type Replace = (fields: readonly string[], isInner: boolean) => Tree | undefined

/** A copy with other column references; `isInner`: inside a subquery. */
function replaceColumns<T>(value: T, replace: Replace, isInner = false): T {
  if (Array.isArray(value)) {
    return value.map((item) => replaceColumns(item, replace, isInner)) as T
  }
  if (!isRecord(value)) return value
  const { ColumnRef, SubLink } = value as Tree
  if (ColumnRef !== undefined && !isStar(value as Tree)) {
    return (replace(strings(ColumnRef.fields), isInner) ?? value) as T
  }
  const entries = Object.entries(value).map(([key, child]) => {
    const isDeeper = isInner || (SubLink !== undefined && key === 'SubLink')
    return [key, replaceColumns(child, replace, isDeeper)]
  })
  return Object.fromEntries(entries) as T
}
