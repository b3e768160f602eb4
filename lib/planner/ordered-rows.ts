import type { SplitQuery } from './aggregate-split.ts'
import {
  canonicalKey,
  collated,
  combineQuery,
  limitClauses,
  PLAIN_SELECT,
  type SelectShape,
  type SortKey,
  sortOutput,
  sourceColumn,
  target,
} from './combine-shape.ts'
import { castTo, integer, operator } from './expressions.ts'
import { refuse } from './refusals.ts'
import type { SelectStmt, Tree } from './tree.ts'

/** Worker columns that only ORDER BY needs. */
export const EXTRA_COLUMN = 'pgloom_sort_'

/**
 * Rows that the shards make whole (plain, grouped or made distinct by the distribution column): they are put in order, made
 * distinct across shards and cut by the combine query.
 */
export function orderRows(shape: SelectShape): SplitQuery {
  const { select, outputs } = shape
  const extras: Tree[] = []
  const add = (expression: Tree): number => {
    const key = canonicalKey(shape.block, expression)
    const known = extras.findIndex((extra) => canonicalKey(shape.block, extra) === key)
    if (known >= 0) return outputs.length + known + 1
    extras.push(expression)
    return outputs.length + extras.length
  }
  const distinct = distinctKind(shape)
  const sortClause = shape.sorts.map((key) => ({
    SortBy: { ...key.sort, node: sortNode(shape, key, add) },
  }))
  const distinctOn =
    distinct === 'on' ? select.distinctClause?.map((item) => onNode(shape, item, add)) : undefined
  // another column would make other rows distinct
  if (isPlainDistinct(select) && extras.length > 0) return refuse('expression')
  const combine: SelectStmt = {
    ...PLAIN_SELECT,
    targetList: outputs.map(({ name, expression }, index) => {
      const column = sourceColumn(index + 1)
      const isCompared = distinct !== 'none' || shape.sorts.some(({ output }) => output === index)
      return target(
        isCompared && expression !== undefined ? collated(shape, expression, column) : column,
        name,
      )
    }),
    ...(distinct === 'plain' ? { distinctClause: [{}] } : {}),
    ...(distinctOn === undefined ? {} : { distinctClause: distinctOn }),
    ...(sortClause.length === 0 ? {} : { sortClause }),
    ...limitClauses(select),
  }
  return {
    worker: workerSelect(select, extras, distinct),
    combine: combineQuery(shape.analysis, combine),
  }
}

function distinctKind({ select, core }: SelectShape): 'none' | 'keyed' | 'plain' | 'on' {
  if (select.distinctClause === undefined) return 'none'
  if (core.distinctByKey) return 'keyed'
  return isPlainDistinct(select) ? 'plain' : 'on'
}

function isPlainDistinct({ distinctClause }: SelectStmt): boolean {
  return distinctClause?.every((item) => Object.keys(item).length === 0) === true
}

function sortNode(shape: SelectShape, key: SortKey, add: (expression: Tree) => number): Tree {
  if (key.output !== undefined) return integer(key.output + 1)
  const { CollateClause } = key.expression
  const inner = CollateClause?.arg
  if (CollateClause !== undefined && inner !== undefined) {
    return { CollateClause: { ...CollateClause, arg: sourceColumn(add(inner)) } }
  }
  return collated(shape, key.expression, sourceColumn(add(key.expression)))
}

/** The same expression as in ORDER BY must be the same column here. */
function onNode(shape: SelectShape, item: Tree, add: (expression: Tree) => number): Tree {
  const output = sortOutput(shape.block, item, shape.outputs)
  return output !== undefined ? integer(output + 1) : collated(shape, item, sourceColumn(add(item)))
}

function workerSelect(
  select: SelectStmt,
  extras: readonly Tree[],
  distinct: 'none' | 'keyed' | 'plain' | 'on',
): SelectStmt {
  const limit = pushedLimit(select)
  const { limitCount: _count, limitOffset: _offset, sortClause, ...rest } = select
  const isDistinctOn = select.distinctClause !== undefined && !isPlainDistinct(select)
  const keepsOrder = limit !== undefined || isDistinctOn
  const named = extras.map((value, index) => target(value, `${EXTRA_COLUMN}${index + 1}`))
  const isLimited = limit !== undefined && distinct !== 'on'
  return {
    ...rest,
    targetList: [...(select.targetList ?? []), ...named],
    ...(sortClause !== undefined && keepsOrder ? { sortClause } : {}),
    ...(isLimited ? { limitCount: limit } : {}),
    limitOption: isLimited ? 'LIMIT_OPTION_COUNT' : 'LIMIT_OPTION_DEFAULT',
  }
}

/** A shard need give no more rows than LIMIT and OFFSET together; undefined: it must give all. */
function pushedLimit({ limitCount, limitOffset, limitOption }: SelectStmt): Tree | undefined {
  if (limitCount === undefined || limitOption === 'LIMIT_OPTION_WITH_TIES') return undefined
  if (limitOffset === undefined) return isSimple(limitCount) ? limitCount : undefined
  const count = limitCount.A_Const?.ival
  const offset = limitOffset.A_Const?.ival
  if (count !== undefined && offset !== undefined) {
    const sum = (count.ival ?? 0) + (offset.ival ?? 0)
    return sum >= 0 && sum < 2 ** 31 ? integer(sum) : undefined
  }
  if (!isSimple(limitCount) || !isSimple(limitOffset)) return undefined
  // a NULL gives all rows: LEAST passes over it
  const asNumeric = (value: Tree) => castTo(castTo(value, 'int8', undefined), 'numeric', undefined)
  const both = operator('+', asNumeric(limitCount), asNumeric(limitOffset))
  const least: Tree = { MinMaxExpr: { op: 'IS_LEAST', args: [both, MAX_BIGINT] } }
  return castTo(least, 'int8', undefined)
}

const MAX_BIGINT: Tree = { A_Const: { fval: { fval: '9223372036854775807' } } }

function isSimple(value: Tree): boolean {
  return value.A_Const !== undefined || value.ParamRef !== undefined
}
