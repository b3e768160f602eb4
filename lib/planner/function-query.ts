import {
  functionPlan,
  isActivityRelation,
  isBare,
  isClusterFunction,
  isSizeCall,
} from './cluster-functions.ts'
import type { ResultShape } from './cluster-results.ts'
import { resultShape } from './cluster-results.ts'
import { planLocal } from './local-planner.ts'
import { outputName } from './output-names.ts'
import type { FunctionCall, FunctionQueryPlan, Replacement } from './plan.ts'
import { type PlanInput, printStatement } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { tableReferences } from './table-references.ts'
import {
  type FuncCall,
  mapTree,
  type RangeFunction,
  type RangeVar,
  type SelectStmt,
  strings,
  type Tree,
  type WithClause,
  walkTree,
} from './tree.ts'

const MARK = 'pgloom_call_'
const ROW_ALIAS = 'pgloom_rows'

/**
 * A SELECT over local things around cluster functions. Those are called first, once each and in order; what they gave is put
 * in their places, and the coordinator runs the rest. So a call may only stand where Postgres would evaluate it exactly
 * once: in FROM, or alone in the select list of a SELECT without FROM. Sizes change nothing and may stand anywhere.
 */
export function planFunctionQuery(input: PlanInput, select: SelectStmt): FunctionQueryPlan {
  if (tableReferences(input, input.statement).distributed.length > 0) {
    return refuse('cluster-function-context')
  }
  if (input.text.includes(MARK)) return refuse('cluster-function-context')
  const rewriting = new Rewriting(input)
  const tree = rewriting.sizes({ SelectStmt: rewriting.select(select, true) })
  walkTree(tree, (kind, node) => {
    if (kind === 'FuncCall' && isClusterFunction(node)) refuse('cluster-function-context')
    if (kind === 'RangeVar' && isActivityRelation(input, node)) refuse('cluster-function-context')
    // their types would have to be told before the functions can be called
    if (kind === 'ParamRef') refuse('cluster-function-context')
    return undefined
  })
  const printed = Buffer.from(printStatement(input, tree))
  const statement = (input.parser.parse(printed).stmts[0]?.stmt ?? {}) as Tree
  const own = { ...input, text: printed, statement, literals: undefined }
  const local = planLocal(own, 'SelectStmt', tableReferences(own, statement))
  const parts = replaced(printed, local.replacements).split(/pgloom_call_(\d+)_x\(\)/)
  const calls = parts.filter((_, index) => index % 2 === 1).map(Number)
  return {
    kind: 'function-query',
    // in the order of the statement's own text, whatever the order of their places
    calls: rewriting.calls,
    pieces: parts.filter((_, index) => index % 2 === 0),
    holes: calls,
    isReadOnly: local.isReadOnly,
    refreshesSizes: local.refreshesSizes,
  }
}

function replaced(text: Buffer, replacements: readonly Replacement[]): string {
  const parts: string[] = []
  let from = 0
  for (const { start, end, text: by } of replacements) {
    parts.push(text.toString('utf8', from, start), by)
    from = end
  }
  return parts.join('') + text.toString('utf8', from)
}

/** Takes the calls out of a statement, leaving a mark for each. */
class Rewriting {
  readonly calls: FunctionCall[] = []
  readonly #input: PlanInput

  constructor(input: PlanInput) {
    this.#input = input
  }

  /** `isTop`: its select list is evaluated once. */
  select(select: SelectStmt, isTop: boolean): SelectStmt {
    const { larg, rarg, withClause, fromClause } = select
    const inner = {
      ...select,
      ...(larg === undefined ? {} : { larg: this.select(larg, false) }),
      ...(rarg === undefined ? {} : { rarg: this.select(rarg, false) }),
      ...(withClause === undefined ? {} : { withClause: this.#with(withClause) }),
      ...(fromClause === undefined
        ? {}
        : { fromClause: fromClause.map((item) => this.#from(item)) }),
    }
    const isListed = isTop && fromClause === undefined && larg === undefined && isBare(select)
    return isListed ? this.#targets(inner) : inner
  }

  /** Calls for the size of a relation named by a constant, wherever they stand. */
  sizes(tree: Tree): Tree {
    return mapTree(tree, (node) => {
      const target = node.ResTarget
      if (target?.val !== undefined) {
        const val = this.sizes(target.val)
        if (val === target.val) return node
        return { ResTarget: { ...target, name: target.name ?? outputName(target.val), val } }
      }
      const { FuncCall } = node
      if (FuncCall === undefined || !isSizeCall(this.#input, FuncCall)) return undefined
      return this.#taken(FuncCall).mark
    })
  }

  #with(withClause: WithClause): WithClause {
    if (withClause.recursive === true) return withClause
    const ctes = (withClause.ctes ?? []).map((item) => {
      const cte = item.CommonTableExpr
      const query = cte?.ctequery?.SelectStmt
      if (query === undefined) return item
      const ctequery = { SelectStmt: this.select(query, false) }
      return { CommonTableExpr: { ...cte, ctequery } }
    })
    return { ...withClause, ctes }
  }

  #from(item: Tree): Tree {
    const { JoinExpr, RangeSubselect, RangeFunction, RangeVar } = item
    if (RangeVar !== undefined && isActivityRelation(this.#input, RangeVar)) {
      return this.#activity(RangeVar)
    }
    if (JoinExpr !== undefined) {
      const { larg = {}, rarg = {} } = JoinExpr
      return { JoinExpr: { ...JoinExpr, larg: this.#from(larg), rarg: this.#from(rarg) } }
    }
    const query = RangeSubselect?.subquery?.SelectStmt
    if (query !== undefined) {
      const subquery = { SelectStmt: this.select(query, false) }
      return { RangeSubselect: { ...RangeSubselect, subquery } }
    }
    return RangeFunction === undefined ? item : this.#function(RangeFunction, item)
  }

  #activity({ relname = '', alias }: RangeVar): Tree {
    const { mark, shape } = this.#taken({ funcname: [{ String: { sval: relname } }] })
    if (shape.kind !== 'rows') return refuse('cluster-function-context')
    return rowsItem(mark, alias?.aliasname ?? relname, strings(alias?.colnames), shape, {})
  }

  #function(range: RangeFunction, item: Tree): Tree {
    const call = range.functions?.[0]?.List?.items?.[0]?.FuncCall
    if (call === undefined || range.functions?.length !== 1 || !isClusterFunction(call)) return item
    const name = strings(call.funcname).at(-1) ?? ''
    const { mark, shape } = this.#taken(call)
    if (shape.kind !== 'rows') return refuse('cluster-function-context')
    const given = strings(range.alias?.colnames)
    return rowsItem(mark, range.alias?.aliasname ?? name, given, shape, range)
  }

  #targets(select: SelectStmt): SelectStmt {
    const sources: Tree[] = []
    const targetList = (select.targetList ?? []).map((item): Tree => {
      const target = item.ResTarget
      const indirection = target?.val?.A_Indirection
      const call = target?.val?.FuncCall ?? indirection?.arg?.FuncCall
      if (call === undefined || !isClusterFunction(call)) return item
      const { mark, shape } = this.#taken(call)
      const name = target?.name ?? strings(call.funcname).at(-1) ?? ''
      if (shape.kind === 'value') {
        if (indirection !== undefined) refuse('cluster-function-context')
        return { ResTarget: { ...target, name, val: mark } }
      }
      sources.push(rowsItem(mark, ROW_ALIAS, [], shape, {}))
      const fields = [{ String: { sval: ROW_ALIAS } }, ...(indirection?.indirection ?? [])]
      const named = indirection === undefined ? { name } : {}
      return { ResTarget: { ...target, ...named, val: { ColumnRef: { fields } } } }
    })
    // Postgres would run several row by row beside each other
    if (sources.length > 1) refuse('cluster-function-context')
    if (sources.length === 0) return { ...select, targetList }
    return { ...select, targetList, fromClause: sources }
  }

  #taken(call: FuncCall): { mark: Tree; shape: ResultShape } {
    const plan = functionPlan(this.#input, call, false)
    const shape = resultShape(plan.name)
    const sval = `${MARK}${this.calls.length}_x`
    this.calls.push({ plan, shape })
    const funcname = [{ String: { sval } }]
    return { mark: { FuncCall: { funcname, funcformat: 'COERCE_EXPLICIT_CALL' } }, shape }
  }
}

/** The mark in FROM, under the names that the function's own columns would have. */
function rowsItem(
  mark: Tree,
  aliasname: string,
  given: readonly string[],
  shape: ResultShape & { readonly kind: 'rows' },
  range: RangeFunction,
): Tree {
  if (given.length > shape.columns.length) refuse('cluster-function-context')
  const colnames = shape.columns.map(({ name }, index) => ({
    String: { sval: given[index] ?? name },
  }))
  const functions = [{ List: { items: [mark, {}] } }]
  return { RangeFunction: { ...range, functions, alias: { aliasname, colnames } } }
}
