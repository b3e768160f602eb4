import type { MaterializedView } from '../../catalog/catalog.ts'
import { resolveMaterializedView, resolveView } from '../../catalog/catalog-lookup.ts'
import type { ParserHost } from '../../sql/parser-host.ts'
import { findTopLevelKeyword, isKeyword, skipBlanks, tokenEnd } from '../../sql/text-navigation.ts'
import type { TextRange } from '../plan.ts'
import { quotedName } from '../pull/pull-rewrites.ts'
import { refuse } from '../refusals.ts'
import { type NameContext, tableReferences } from '../table-references.ts'
import { type RangeVar, strings, type Tree, treeKey } from '../tree.ts'
import type { MaterializePlan } from './materialize-plan.ts'

/** Where the queries of materialized views over distributed tables are kept, as views. */
export const MATVIEW_SCHEMA = 'pgloom_matview'

type Fields = Readonly<Record<string, unknown>>

type WithoutFill<T> = T extends unknown ? Omit<T, 'fill'> : never

export type Materialization = {
  readonly plan: WithoutFill<MaterializePlan>
  /** The statement that brings the rows, to be planned; undefined: none are wanted. */
  readonly fillText: string | undefined
}

/**
 * CREATE, REFRESH, ALTER and DROP of materialized views over distributed tables; undefined: the statement is none of these.
 * `scratch`: the name of a table that is nobody else's.
 */
export function planMaterialization(
  context: NameContext,
  text: Buffer,
  statement: Tree,
  parser: ParserHost,
  scratch: string,
): Materialization | undefined {
  const [kind = ''] = Object.keys(statement)
  const body = statement[kind as keyof Tree] as Fields | undefined
  if (body === undefined) return undefined
  if (kind === 'CreateTableAsStmt') return planCreate(context, text, body, parser, scratch)
  if (context.catalog.materializedViews === undefined) return undefined
  if (kind === 'RefreshMatViewStmt') return planRefresh(context, body, scratch)
  return isTended(context, kind, body)
    ? { plan: { kind: 'materialize', action: 'tend' }, fillText: undefined }
    : undefined
}

function planCreate(
  context: NameContext,
  text: Buffer,
  body: Fields,
  parser: ParserHost,
  scratch: string,
): Materialization | undefined {
  if (body['objtype'] !== 'OBJECT_MATVIEW' || !readsDistributed(context, body)) return undefined
  const query = queryRange(text, body['query'], parser) ?? refuse('expression', 'quoting')
  const into = (body['into'] ?? {}) as Fields
  const names = strings(into['colNames'] as readonly Tree[] | undefined).map(quotedName)
  const columns = names.length === 0 ? '' : ` (${names.join(', ')})`
  const isFilled = into['skipData'] !== true
  const fillText = `INSERT INTO ${scratch} ${text.toString('utf8', query.start, query.end)}`
  return {
    plan: { kind: 'materialize', action: 'create', query, columns, scratch },
    fillText: isFilled ? fillText : undefined,
  }
}

function readsDistributed(context: NameContext, body: Fields): boolean {
  const { references, distributed } = tableReferences(context, body)
  if (distributed.length > 0) return true
  const { catalog, searchPath, temporaryNames } = context
  return references.some(({ node: { schemaname, relname = '' }, role }) => {
    if (role !== 'source') return false
    return resolveView(catalog, searchPath, schemaname, relname, temporaryNames) !== undefined
  })
}

/** Of the defining query; proven by parsing it. */
function queryRange(text: Buffer, query: unknown, parser: ParserHost): TextRange | undefined {
  const start = skipBlanks(text, 0)
  // options and a list of columns stand in parentheses
  const keyword = findTopLevelKeyword(text, start, text.length, 'as')
  if (keyword < 0) return undefined
  const from = keyword + 'as'.length
  for (const end of [dataClause(text, from), text.length]) {
    if (end === undefined) continue
    try {
      const { stmts } = parser.parse(text.subarray(from, end))
      if (stmts.length === 1 && treeKey(stmts[0]?.stmt) === treeKey(query)) {
        return { start: from, end }
      }
    } catch {
      // not its end
    }
  }
  return undefined
}

/** Where WITH [NO] DATA begins. */
function dataClause(text: Buffer, from: number): number | undefined {
  const starts: number[] = []
  const words: string[] = []
  for (let at = skipBlanks(text, from); at < text.length; ) {
    const end = tokenEnd(text, at)
    starts.push(at)
    words.push(isKeyword(text, at, end, 'data') ? 'data' : text.toString('latin1', at, end))
    at = skipBlanks(text, end)
    if (starts.length > 4) {
      starts.shift()
      words.shift()
    }
  }
  while (words.at(-1) === ';') words.pop()
  if (words.at(-1) !== 'data') return undefined
  const last = words.findLastIndex((word) => word.toLowerCase() === 'with')
  return last < 0 ? undefined : starts[last]
}

function planRefresh(
  context: NameContext,
  body: Fields,
  scratch: string,
): Materialization | undefined {
  const view = resolveNode(context, body['relation'])
  if (view === undefined || body['skipData'] === true) return undefined
  const source = `${MATVIEW_SCHEMA}.${quotedName(view.query.name)}`
  const isConcurrent = body['concurrent'] === true
  return {
    plan: { kind: 'materialize', action: 'refresh', view, scratch, isConcurrent },
    fillText: `INSERT INTO ${scratch} SELECT * FROM ${source}`,
  }
}

function resolveNode(context: NameContext, node: unknown): MaterializedView | undefined {
  const { schemaname, relname = '' } = (node ?? {}) as RangeVar
  return resolveMaterializedView(context, schemaname, relname)
}

/** What changes the owner, the columns or the being of a materialized view changes its query's. */
function isTended(context: NameContext, kind: string, body: Fields): boolean {
  switch (kind) {
    case 'DropStmt':
      return body['removeType'] === 'OBJECT_MATVIEW' || body['removeType'] === 'OBJECT_SCHEMA'
    case 'RenameStmt':
      return body['renameType'] === 'OBJECT_COLUMN' && isOurs(context, body)
    case 'AlterTableStmt':
      return isOurs(context, body)
    default:
      return false
  }
}

function isOurs(context: NameContext, body: Fields): boolean {
  return resolveNode(context, body['relation']) !== undefined
}
