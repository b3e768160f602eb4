import {
  canonicalKey,
  collated,
  combineQuery,
  limitClauses,
  PLAIN_SELECT,
  type SelectShape,
  sortOutput,
  sourceColumn,
  target,
} from './combine-shape.ts'
import { call, castTo, integer, isAggregateCall, operator, visitLevel } from './expressions.ts'
import type { CombineQuery } from './plan.ts'
import { isStrongKey } from './pushdown.ts'
import { resolveColumn } from './query-model.ts'
import { refuse } from './refusals.ts'
import { builtinName, type FuncCall, mapTree, type SelectStmt, strings, type Tree } from './tree.ts'

/** Aggregates that are their own way of combining. */
const SELF_COMBINING: ReadonlySet<string> = new Set([
  'min',
  'max',
  'bool_and',
  'bool_or',
  'every',
  'bit_and',
  'bit_or',
  'bit_xor',
  'any_value',
])
const SPLITTABLE: ReadonlySet<string> = new Set([...SELF_COMBINING, 'count', 'sum', 'avg'])

const REAL = 700
const BIGINT = 20
const FLOAT_LIKE: ReadonlySet<number> = new Set([701, 1186])

export function isSplittable(functionCall: FuncCall): boolean {
  const name = builtinName(functionCall) ?? ''
  if (!SPLITTABLE.has(name) || functionCall.agg_within_group === true) return false
  if (functionCall.agg_order !== undefined || functionCall.func_variadic === true) return false
  if (functionCall.agg_distinct !== true) return true
  const [argument, ...others] = functionCall.args ?? []
  const isPlain = argument !== undefined && argument.RowExpr === undefined && others.length === 0
  return isPlain && functionCall.agg_filter === undefined
}

export type SplitQuery = { readonly worker: SelectStmt; readonly combine: CombineQuery }

/**
 * Partial aggregates for the shards, and the query that makes the whole ones of them. `addsUp`: no value is in two places, so
 * that aggregates of DISTINCT values add up, too.
 */
export function splitAggregates(
  shape: SelectShape,
  keys: readonly Tree[],
  gathered: CombineQuery['gathered'],
  addsUp = false,
): SplitQuery {
  const split = new AggregateSplit(shape, keys, addsUp)
  const { select, outputs, sorts } = shape
  const targetList = outputs.map(({ name, expression }) =>
    target(split.transform(expression ?? refuse('expression', 'unknown columns')), name),
  )
  const sortClause = sorts.map(({ sort, output, expression }) => ({
    SortBy: {
      ...sort,
      node: output === undefined ? split.transform(expression) : integer(output + 1),
    },
  }))
  const having = select.havingClause
  const havingClause = having === undefined ? undefined : split.transform(having)
  const distinctClause = splitDistinct(shape, split)
  const groupClause = split.combineKeys()
  const combine: SelectStmt = {
    ...PLAIN_SELECT,
    targetList,
    ...(groupClause.length === 0 ? {} : { groupClause }),
    ...(havingClause === undefined ? {} : { havingClause }),
    ...(distinctClause === undefined ? {} : { distinctClause }),
    ...(sortClause.length === 0 ? {} : { sortClause }),
    ...limitClauses(select),
  }
  const inexactTypes = split.sums.map((column) => ({ column, typeOids: [REAL] }))
  const rest = { inexactTypes, gathered }
  return {
    worker: split.workerSelect(),
    combine: combineQuery(shape.analysis, combine, rest, finishSums),
  }
}

function splitDistinct(
  { select, block, outputs }: SelectShape,
  split: AggregateSplit,
): readonly Tree[] | undefined {
  return select.distinctClause?.map((item) => {
    if (Object.keys(item).length === 0) return item
    const output = sortOutput(block, item, outputs)
    return output === undefined ? split.transform(item) : integer(output + 1)
  })
}

class AggregateSplit {
  /** Worker columns of sums (0 based), whose type decides how they are combined. */
  readonly sums: number[] = []
  readonly #shape: SelectShape
  readonly #columns: Tree[] = []
  readonly #numbers = new Map<string, number>()
  readonly #keys = new Map<string, Tree>()
  /** Worker columns by which the workers group. */
  readonly #grouped: number[] = []
  /**
   * The workers group by the arguments of DISTINCT aggregates. false: all of these count the distribution column,
   * whose values are each in one shard, so that the shards' counts add up.
   */
  readonly #groupsDistinct: boolean

  constructor(shape: SelectShape, keys: readonly Tree[], addsUp: boolean) {
    this.#shape = shape
    this.#groupsDistinct = !addsUp && needsDistinctGroups(shape)
    for (const key of keys) this.#addKey(key)
  }

  #addKey(expression: Tree): Tree {
    const number = this.#column(expression)
    if (!this.#grouped.includes(number)) this.#grouped.push(number)
    const column = collated(this.#shape, expression, sourceColumn(number))
    this.#keys.set(canonicalKey(this.#shape.block, expression), column)
    return column
  }

  /** Number (1 based) of the worker's column with that expression. */
  #column(expression: Tree): number {
    const key = canonicalKey(this.#shape.block, expression)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#columns.push(expression)
    this.#numbers.set(key, this.#columns.length)
    return this.#columns.length
  }

  transform(tree: Tree): Tree {
    return mapTree(tree, (node) => this.#replace(node))
  }

  #replace(node: Tree): Tree | undefined {
    const key = this.#keys.get(canonicalKey(this.#shape.block, node))
    if (key !== undefined) return key
    if (node.FuncCall !== undefined && isAggregateCall(node.FuncCall))
      return this.#final(node.FuncCall)
    if (node.ColumnRef !== undefined) return this.#dependentKey(node)
    return undefined
  }

  /** A column that isn't grouped by: allowed where a whole primary key is, as of a reference table. */
  #dependentKey(node: Tree): Tree {
    const { block } = this.#shape
    const { relation, block: owner } =
      (node.ColumnRef === undefined ? undefined : resolveColumn(block, node.ColumnRef)) ?? {}
    const primaryKey = relation?.table?.primaryKey ?? []
    const isGrouped = primaryKey.every((name) => {
      const index = relation?.table?.columns.findIndex((column) => column.name === name) ?? -1
      const fields = [relation?.alias ?? '', relation?.columns?.[index] ?? '']
      const reference = { ColumnRef: { fields: fields.map((sval) => ({ String: { sval } })) } }
      return this.#keys.has(canonicalKey(block, reference))
    })
    if (owner !== block || primaryKey.length === 0 || !isGrouped) {
      return refuse('expression', 'unresolved column', node.ColumnRef?.location)
    }
    return this.#addKey(node)
  }

  #final(functionCall: FuncCall): Tree {
    const name = builtinName(functionCall) ?? ''
    const [argument] = functionCall.args ?? []
    if (functionCall.agg_distinct === true && argument !== undefined && this.#groupsDistinct) {
      return this.#distinctFinal(functionCall, argument)
    }
    if (name === 'avg') return this.#average(functionCall)
    const number = this.#column({ FuncCall: functionCall })
    const column = sourceColumn(number)
    if (name === 'count') return countOf(column)
    if (name !== 'sum') {
      return call(name, [argument === undefined ? column : collated(this.#shape, argument, column)])
    }
    this.sums.push(number - 1)
    return marker('sum', [column])
  }

  #average(functionCall: FuncCall): Tree {
    const sum = this.#column({ FuncCall: renamed(functionCall, 'sum') })
    const count = this.#column({ FuncCall: renamed(functionCall, 'count') })
    this.sums.push(sum - 1)
    return marker('avg', [sourceColumn(sum), sourceColumn(count)])
  }

  /** The workers group by the argument too, so that each value comes once from every shard. */
  #distinctFinal(functionCall: FuncCall, argument: Tree): Tree {
    const number = this.#column(argument)
    if (!this.#grouped.includes(number)) this.#grouped.push(number)
    const column = collated(this.#shape, argument, sourceColumn(number))
    const { location: _location, ...rest } = functionCall
    return { FuncCall: { ...rest, args: [column] } }
  }

  combineKeys(): readonly Tree[] {
    return [...this.#keys.values()]
  }

  workerSelect(): SelectStmt {
    const { select } = this.#shape
    const { targetList: _targets, sortClause: _sort, havingClause: _having, ...rest } = select
    const { limitCount: _count, limitOffset: _offset, distinctClause: _distinct, ...core } = rest
    const { groupClause: _group, ...plain } = core
    const columns = this.#columns.length === 0 ? [integer(1)] : this.#columns
    const groupClause = this.#grouped.map((number) => integer(number))
    return {
      ...plain,
      targetList: columns.map((column) => target(column, undefined)),
      ...(groupClause.length === 0 ? {} : { groupClause }),
      limitOption: 'LIMIT_OPTION_DEFAULT',
    }
  }
}

function needsDistinctGroups({ analysis, block, pushdown, select, outputs }: SelectShape): boolean {
  let needed = false
  const expressions = outputs.map(({ expression }) => expression)
  visitLevel(
    [expressions, select.havingClause, select.sortClause, select.distinctClause],
    (node) => {
      const functionCall = node.FuncCall
      if (functionCall?.agg_distinct !== true) return true
      const isCount = builtinName(functionCall) === 'count'
      const [argument] = functionCall.args ?? []
      if (!isCount || !isStrongKey(analysis, block, argument, pushdown)) needed = true
      return true
    },
  )
  return needed
}

function renamed(functionCall: FuncCall, name: string): FuncCall {
  return { ...functionCall, funcname: [{ String: { sval: name } }] }
}

function countOf(column: Tree): Tree {
  const sum = { CoalesceExpr: { args: [call('sum', [column]), integer(0)] } }
  return castTo(sum, 'int8', undefined)
}

const MARKER = 'pgloom_partial_'

function marker(name: string, args: readonly Tree[]): Tree {
  return call(`${MARKER}${name}`, args)
}

/** sum(bigint) is numeric, yet a sum of integers must stay bigint; avg divides in the type of the sum. */
function finishSums(tree: Tree, columnTypeOids: readonly number[]): Tree {
  return mapTree(tree, ({ FuncCall }) => {
    const name = strings(FuncCall?.funcname).at(-1) ?? ''
    const [sum, count] = FuncCall?.args ?? []
    if (!name.startsWith(MARKER) || sum === undefined) return undefined
    const type = columnTypeOids[columnIndex(sum)] ?? 0
    const total = call('sum', [sum])
    if (count === undefined) return type === BIGINT ? castTo(total, 'int8', undefined) : total
    const zeroless: Tree = {
      A_Expr: {
        kind: 'AEXPR_NULLIF',
        name: [{ String: { sval: '=' } }],
        lexpr: call('sum', [count]),
        rexpr: integer(0),
      },
    }
    return operator(
      '/',
      total,
      FLOAT_LIKE.has(type) ? castTo(zeroless, 'float8', undefined) : zeroless,
    )
  })
}

function columnIndex(column: Tree): number {
  return Number(column.ColumnRef?.fields?.at(-1)?.String?.sval?.slice(1) ?? 0) - 1
}
