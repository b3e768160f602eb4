import type { DistributedTable } from '../catalog/catalog.ts'
import type { Analysis } from './analysis.ts'
import { castTo, renumberParameters } from './expressions.ts'
import { SHARD_LITERAL, type WorkerQuery } from './plan.ts'
import { printStatement } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { qualifyingTable, spliceRanges } from './router.ts'
import { isRecord, mapTree, type RangeVar, type Tree, walkTree } from './tree.ts'

/** The statement's own bytes with holes, if the text is all its own. */
export function workerFromText(analysis: Analysis): WorkerQuery {
  const { input, tables } = analysis
  if (input.part === 'somewhere') return workerFromTree(analysis, input.statement)
  const pieces: Buffer[] = []
  const holeTables: DistributedTable[] = []
  const { start: first, end: last } = input.part ?? { start: 0, end: input.text.length }
  let position = first
  let prefix = ''
  for (const { start, end, table } of spliceRanges(input, tables)) {
    pieces.push(Buffer.concat([Buffer.from(prefix), input.text.subarray(position, start)]))
    holeTables.push(table)
    position = end
    prefix = '.'
  }
  pieces.push(Buffer.concat([Buffer.from(prefix), input.text.subarray(position, last)]))
  let highest = 0
  walkTree(input.statement, (kind, node) => {
    if (kind === 'ParamRef') highest = Math.max(highest, Number(node['number'] ?? 0))
    return undefined
  })
  const parameters = Array.from({ length: highest }, (_, index) => index + 1)
  return { worker: { pieces, holeTables }, parameters, usesTransactionTime: false }
}

const HOLE = 'pgloom_hole_'

/** A statement of our own making, whose RangeVars are the original's own nodes. */
export function workerFromTree(
  { input, tables }: Pick<Analysis, 'input' | 'tables'>,
  statement: Tree,
): WorkerQuery {
  if (input.text.includes(HOLE)) refuse('expression')
  const byNode = new Map(tables.references.map(({ node, table }) => [node, table]))
  const holeOf: DistributedTable[] = []
  const hole = (table: DistributedTable): string => {
    holeOf.push(table)
    return `${HOLE}${holeOf.length - 1}_x`
  }
  const holed = mapTree(statement, (node) => {
    const relation = node.RangeVar
    const table = relation === undefined ? undefined : byNode.get(relation)
    if (relation !== undefined) {
      return table?.kind === 'distributed' ? { RangeVar: withSchema(relation, hole(table)) } : node
    }
    return node.ColumnRef === undefined ? undefined : holedColumn(node, input, hole)
  })
  const { tree, parameters, usesTime } = renumberParameters(holeTarget(holed, byNode, hole))
  const printed = printStatement(input, tree)
  const parts = printed.split(/pgloom_hole_(\d+)_x/)
  const pieces = parts.filter((_, index) => index % 2 === 0).map((piece) => Buffer.from(piece))
  const holeTables = parts
    .filter((_, index) => index % 2 === 1)
    .map((ordinal) => holeOf[Number(ordinal)] ?? refuse('expression'))
  const namesShard = printed.includes(SHARD_LITERAL)
  const worker = { pieces, holeTables, ...(namesShard ? { namesShard } : {}) }
  return { worker, parameters, usesTransactionTime: usesTime }
}

/** The number of the shard that is asked. */
export const SHARD_NUMBER: Tree = castTo(
  { A_Const: { sval: { sval: SHARD_LITERAL.slice(1, -1) } } },
  'int4',
  undefined,
)

function withSchema(relation: RangeVar, schemaname: string): RangeVar {
  const { catalogname: _catalog, ...rest } = relation
  return { ...rest, schemaname }
}

function holedColumn(
  node: Tree,
  input: Analysis['input'],
  hole: (table: DistributedTable) => string,
): Tree {
  const fields = node.ColumnRef?.fields ?? []
  const table = qualifyingTable(input, fields)
  if (table === undefined) return node
  const schema = { String: { sval: hole(table) } }
  return { ColumnRef: { ...node.ColumnRef, fields: [schema, ...fields.slice(-2)] } }
}

/** The bare RangeVar of INSERT, UPDATE and DELETE. */
function holeTarget(
  statement: Tree,
  byNode: ReadonlyMap<RangeVar, unknown>,
  hole: (table: DistributedTable) => string,
): Tree {
  const [kind] = Object.keys(statement)
  const body = kind === undefined ? undefined : statement[kind]
  if (kind === undefined || !isRecord(body) || !isRecord(body['relation'])) return statement
  const relation = body['relation'] as RangeVar
  const table = byNode.get(relation) as DistributedTable | undefined
  if (table?.kind !== 'distributed') return statement
  return { [kind]: { ...body, relation: withSchema(relation, hole(table)) } }
}
