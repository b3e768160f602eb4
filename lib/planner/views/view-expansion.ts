import type { ClusterView } from '../../catalog/catalog.ts'
import { resolveView } from '../../catalog/catalog-lookup.ts'
import type { ParserHost } from '../../sql/parser-host.ts'
import { explainedStart } from '../explain-planner.ts'
import type { Replacement, ViewUse } from '../plan.ts'
import { quotedName } from '../pull/pull-rewrites.ts'
import { qualifierRange, relationRange, skipBlanks } from '../qualifiers.ts'
import { refuse } from '../refusals.ts'
import { ROW_FUNCTIONS } from '../statement-checks.ts'
import { type NameContext, type TableReference, tableReferences } from '../table-references.ts'
import {
  builtinName,
  type ColumnRef,
  type RangeVar,
  strings,
  type Tree,
  walkTree,
} from '../tree.ts'
import { isRewritable, rewriteWrite } from './view-writes.ts'

/** Statements that read; in others a view's name means the view itself. */
const READING_KINDS: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'ExplainStmt',
  'CopyStmt',
  'DeclareCursorStmt',
  'CreateTableAsStmt',
])
const MAX_DEPTH = 50

export type ExpandedStatement = {
  readonly text: Buffer
  readonly uses: readonly ViewUse[]
}

/**
 * The statement with the queries of views over distributed tables in place of their names. What it then may read is not
 * what the views' rights allow: `uses` must be checked when it runs. undefined: it reads no such view.
 */
export function expandViews(
  context: NameContext,
  text: Buffer,
  statement: Tree,
  parser: ParserHost,
): ExpandedStatement | undefined {
  if (context.catalog.views.size === 0 && context.temporaryViews === undefined) return undefined
  const [kind = ''] = Object.keys(statement)
  const found = viewReferences(context, statement)
  if (found.length === 0) return undefined
  if (kind === 'LockStmt') return refuse('utility', 'LOCK TABLE of a view')
  if (!READING_KINDS.has(kind)) return undefined
  const expansion = new Expansion(context, parser)
  const written =
    kind === 'ExplainStmt'
      ? explainedWrite(text, statement, found, expansion)
      : writtenView(kind, statement, found, expansion)
  if (written !== undefined) return written
  const sources = found.filter(({ node, role }) => role === 'source' && !isSampled(statement, node))
  if (sources.length === 0) return undefined
  if (kind === 'CreateTableAsStmt' && isMaterialized(statement)) return undefined
  return expansion.expand(text, statement, sources, undefined, 0)
}

function writtenView(
  kind: string,
  statement: Tree,
  found: readonly ViewReference[],
  expansion: Expansion,
): ExpandedStatement | undefined {
  const target = found.find(({ role }) => role === 'target')
  if (target === undefined || kind === 'CopyStmt') return undefined
  if (target.node !== (statement[kind] as WriteStatement).relation) return refuse('view-write')
  return isRewritable(kind, target.view) ? expansion.write(kind, statement, target) : undefined
}

/** The options stay as they are, before the statement as it is rewritten. undefined: no write to such a view. */
function explainedWrite(
  text: Buffer,
  statement: Tree,
  found: readonly ViewReference[],
  expansion: Expansion,
): ExpandedStatement | undefined {
  const query = (statement['ExplainStmt'] as { readonly query?: Tree } | undefined)?.query ?? {}
  const [kind = ''] = Object.keys(query)
  const target = found.find(({ role }) => role === 'target')
  if (target === undefined) return undefined
  const relation = (query[kind] as WriteStatement | undefined)?.relation
  if (target.node !== relation || !isRewritable(kind, target.view)) return refuse('view-write')
  const written = expansion.write(kind, query, target)
  const head = text.subarray(0, explainedStart(text))
  return { ...written, text: Buffer.concat([head, written.text]) }
}

type WriteStatement = { readonly relation?: RangeVar }

type ViewReference = TableReference & { readonly view: ClusterView }

function viewReferences(context: NameContext, statement: Tree): readonly ViewReference[] {
  return tableReferences(context, statement).references.flatMap((reference) => {
    const { node, table, role } = reference
    const isElsewhere =
      node.catalogname !== undefined && node.catalogname !== context.catalog.database
    if (table !== undefined || role === 'created' || isElsewhere) return []
    const view =
      temporaryView(context, node) ??
      resolveView(
        context.catalog,
        context.searchPath,
        node.schemaname,
        node.relname ?? '',
        context.temporaryNames,
      )
    return view === undefined ? [] : [{ ...reference, view }]
  })
}

function temporaryView(
  { temporaryViews, searchPath }: NameContext,
  { schemaname, relname = '' }: RangeVar,
): ClusterView | undefined {
  const isMeant =
    schemaname === undefined ? !searchPath.includes('pg_temp') : schemaname === 'pg_temp'
  return isMeant ? temporaryViews?.get(relname) : undefined
}

function isMaterialized(statement: Tree): boolean {
  const body = statement['CreateTableAsStmt'] as Readonly<Record<string, unknown>> | undefined
  return body?.['objtype'] === 'OBJECT_MATVIEW'
}

/** Postgres refuses it in its own words. */
function isSampled(statement: Tree, node: RangeVar): boolean {
  let found = false
  walkTree(statement, (_kind, body) => {
    if ((body['relation'] as Tree | undefined)?.RangeVar === node) found = true
    return !found
  })
  return found
}

class Expansion {
  readonly #context: NameContext
  readonly #parser: ParserHost

  constructor(context: NameContext, parser: ParserHost) {
    this.#context = context
    this.#parser = parser
  }

  /** `reader`: the role whose rights reach these views; undefined: the session's. */
  expand(
    text: Buffer,
    statement: Tree,
    references: readonly ViewReference[],
    reader: string | undefined,
    depth: number,
  ): ExpandedStatement {
    if (depth > MAX_DEPTH) return refuse('expression', 'views within views')
    checkRows(statement, references)
    const locks = hasLocks(statement)
    const uses: ViewUse[] = []
    const replacements = references.map(({ node, view }): Replacement => {
      const inner = this.#definition(view, reader, depth)
      uses.push({ view, reader, locks }, ...inner.uses)
      return place(text, node, view, inner.text.toString())
    })
    replacements.push(...qualifiedColumns(text, statement, references))
    return { text: replaced(text, replacements), uses }
  }

  /** Down to the table below; the sources are those of the statement alone. */
  write(
    kind: string,
    statement: Tree,
    { view }: ViewReference,
    reader?: string,
    isChecked = false,
  ): ExpandedStatement {
    checkRows(statement, viewReferences(this.#context, statement))
    const target = { view, reader, isChecked }
    const rewritten = rewriteWrite(this.#context, kind, statement, target, this.#parser)
    const text = Buffer.from(rewritten.text)
    const next = (this.#parser.parse(text).stmts[0]?.stmt ?? {}) as Tree
    const references = viewReferences(this.#context, next)
    const below = references.find(({ role }) => role === 'target')
    const inner =
      below === undefined
        ? this.#sources(text, next, references)
        : this.#below(kind, next, below, view.owner ?? reader, rewritten.isChecked)
    return { text: inner.text, uses: [rewritten.use, ...inner.uses] }
  }

  #below(
    kind: string,
    statement: Tree,
    below: ViewReference,
    reader: string | undefined,
    isChecked: boolean,
  ): ExpandedStatement {
    if (!isRewritable(kind, below.view)) return refuse('view-write')
    return this.write(kind, statement, below, reader, isChecked)
  }

  #sources(text: Buffer, statement: Tree, references: readonly ViewReference[]): ExpandedStatement {
    if (references.length === 0) return { text, uses: [] }
    return this.expand(text, statement, references, undefined, 0)
  }

  #definition(view: ClusterView, reader: string | undefined, depth: number): ExpandedStatement {
    const text = Buffer.from(view.definition)
    const statement = (this.#parser.parse(text).stmts[0]?.stmt ?? {}) as Tree
    const context = { ...this.#context, searchPath: [], temporaryNames: new Set<string>() }
    const references = viewReferences(context, statement)
    const own = view.owner ?? reader
    return this.expand(text, statement, references, own, depth + 1)
  }
}

function place(text: Buffer, node: RangeVar, view: ClusterView, query: string): Replacement {
  const { start, end } = relationRange(text, node)
  if (text[skipBlanks(text, end)] === 0x2a || node.inh !== true) return refuse('view-form')
  const before = text.toString('latin1', 0, start)
  const table = /\btable\s+$/i.exec(before)
  const alias = node.alias === undefined ? ` AS ${quotedName(view.name)}` : ''
  if (table === null) return { start, end, text: `(${query})${alias}` }
  return { start: table.index, end, text: `SELECT * FROM (${query})${alias}` }
}

/** `schema.view.column`: the query in the view's place has no schema. */
function qualifiedColumns(
  text: Buffer,
  statement: Tree,
  references: readonly ViewReference[],
): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(statement, (kind, node) => {
    const { fields = [], location = 0 } = kind === 'ColumnRef' ? (node as ColumnRef) : {}
    if (fields.length < 3) return undefined
    const [schema, name] = strings(fields).slice(-3)
    const isView = references.some(({ view }) => view.schema === schema && view.name === name)
    if (!isView) return undefined
    const range = qualifierRange(text, location, fields.length)
    found.push({ ...range, text: `${quotedName(name ?? '')}.` })
    return undefined
  })
  return found
}

/** A row of the view has the view's own type, one of its query has none. */
function checkRows(statement: Tree, references: readonly ViewReference[]): void {
  const allowed = new Set<unknown>()
  walkTree(statement, (kind, node) => {
    if (kind === 'FuncCall' && ROW_FUNCTIONS.has(builtinName(node) ?? '')) {
      for (const argument of (node['args'] ?? []) as readonly Tree[])
        allowed.add(argument.ColumnRef)
    }
    if (kind === 'ColumnRef' && !allowed.has(node)) checkRow(node, references)
    if (kind === 'TypeCast') checkCast(node, references)
    return undefined
  })
}

function checkRow({ fields, location }: ColumnRef, references: readonly ViewReference[]): void {
  const name = fields?.[0]?.String?.sval
  const isSystem = /^(tableoid|ctid|[xc]m(in|ax))$/.test(fields?.at(-1)?.String?.sval ?? '')
  const isRow = references.some(
    ({ node, view }) =>
      (node.alias?.aliasname ?? node.relname) === name &&
      (fields?.length === 1 ? !view.columns.includes(name ?? '') : isSystem),
  )
  if (isRow) refuse('view-form', undefined, location)
}

function checkCast(node: Readonly<Record<string, unknown>>, references: readonly ViewReference[]) {
  const type = node['typeName'] as { readonly names?: readonly Tree[] } | undefined
  const name = strings(type?.names).at(-1)
  if (references.some(({ view }) => view.name === name)) refuse('view-form')
}

function hasLocks(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind) => {
    if (kind === 'LockingClause') found = true
    return !found
  })
  return found
}

function replaced(text: Buffer, replacements: readonly Replacement[]): Buffer {
  const parts: Buffer[] = []
  let position = 0
  for (const { start, end, text: by } of [...replacements].sort((a, b) => a.start - b.start)) {
    parts.push(text.subarray(position, start), Buffer.from(by))
    position = end
  }
  return Buffer.concat([...parts, text.subarray(position)])
}
