import type { SplitQuery } from './aggregate-split.ts'
import {
  canonicalKey,
  collated,
  combineQuery,
  limitClauses,
  namedOutput,
  PLAIN_SELECT,
  type SelectShape,
  sortOutput,
  sourceColumn,
  target,
} from './combine-shape.ts'
import { integer, isValueLink } from './expressions.ts'
import { wholeRowRelation } from './query-model.ts'
import { refuse } from './refusals.ts'
import { mapTree, type SelectStmt, type Tree } from './tree.ts'

/**
 * The columns that the query needs come from the shards as they are, and the query itself, all but FROM and WHERE, runs
 * over them: right for anything Postgres can compute from rows.
 */
export function gatherRows(shape: SelectShape): SplitQuery {
  const gather = new Gather(shape)
  const { select, outputs, sorts } = shape
  const targetList = outputs.map(({ name, expression }) =>
    target(gather.transform(expression ?? refuse('expression', 'unknown columns')), name),
  )
  const groupClause = select.groupClause?.map((item) => gather.grouping(item))
  const having = select.havingClause
  const sortClause = sorts.map(({ sort, output, expression }) => ({
    SortBy: {
      ...sort,
      node: output === undefined ? gather.transform(expression) : integer(output + 1),
    },
  }))
  const distinctClause = select.distinctClause?.map((item) => {
    if (Object.keys(item).length === 0) return item
    const output = sortOutput(shape.block, item, outputs)
    return output === undefined ? gather.transform(item) : integer(output + 1)
  })
  const combine: SelectStmt = {
    ...PLAIN_SELECT,
    targetList,
    ...(groupClause === undefined ? {} : { groupClause }),
    ...(select.groupDistinct === true ? { groupDistinct: true } : {}),
    ...(having === undefined ? {} : { havingClause: gather.transform(having) }),
    ...(select.windowClause === undefined
      ? {}
      : { windowClause: select.windowClause.map((item) => gather.transform(item)) }),
    ...(distinctClause === undefined ? {} : { distinctClause }),
    ...(sortClause.length === 0 ? {} : { sortClause }),
    ...limitClauses(select),
  }
  return { worker: gather.workerSelect(), combine: combineQuery(shape.analysis, combine) }
}

class Gather {
  readonly #shape: SelectShape
  readonly #columns: Tree[] = []
  readonly #numbers = new Map<string, number>()

  constructor(shape: SelectShape) {
    this.#shape = shape
  }

  transform(tree: Tree): Tree {
    return mapTree(tree, (node) => {
      if (node.ColumnRef !== undefined) return this.#ship(node)
      if (node.SubLink !== undefined && !isValueLink(node.SubLink)) {
        return this.#shape.core.isAggregated ? refuse('expression') : this.#ship(node)
      }
      return undefined
    })
  }

  /** GROUP BY's item: a name is an input column before it is an output's. */
  grouping(item: Tree): Tree {
    return mapTree(item, (node) => {
      const fields = node.ColumnRef?.fields
      if (fields?.length !== 1) return node.ColumnRef === undefined ? undefined : this.#ship(node)
      const name = fields[0]?.String?.sval
      const { block } = this.#shape
      if (block.visible.some((column) => column.name === name)) return this.#ship(node)
      const output = namedOutput(block, node)?.expression
      if (output === undefined || !block.knowsColumns)
        return refuse('expression', 'unresolved column')
      return this.transform(output)
    })
  }

  #ship(node: Tree): Tree {
    const { block } = this.#shape
    const reference = node.ColumnRef
    if (reference !== undefined && wholeRowRelation(block, reference) !== undefined)
      refuse('whole-row')
    const key = canonicalKey(block, node)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      this.#columns.push(node)
      number = this.#columns.length
      this.#numbers.set(key, number)
    }
    return collated(this.#shape, node, sourceColumn(number))
  }

  workerSelect(): SelectStmt {
    const { fromClause, whereClause, withClause } = this.#shape.select
    const columns = this.#columns.length === 0 ? [integer(1)] : this.#columns
    return {
      ...PLAIN_SELECT,
      targetList: columns.map((column) => target(column, undefined)),
      ...(fromClause === undefined ? {} : { fromClause }),
      ...(whereClause === undefined ? {} : { whereClause }),
      ...(withClause === undefined ? {} : { withClause }),
    }
  }
}
