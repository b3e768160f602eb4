import { bareTypeName } from '../../catalog/bare-type.ts'
import type { Column, DistributedTable } from '../../catalog/catalog.ts'
import { analyse } from '../analysis.ts'
import type { ScatterSelect, ShardText } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { Refusal, refuse } from '../refusals.ts'
import { planScatterSelect } from '../scatter-planner.ts'
import { type InsertStmt, type SelectStmt, strings, type Tree, type TypeName } from '../tree.ts'
import type { InsertThroughScratchPlan, Repartition } from './write-plans.ts'

/** Types of users may differ between nodes in what their values look like in binary, and domains in what a cast does. */
const FIRST_USER_OID = 16_384
const ROWS = 'pgloom_rows'

/**
 * INSERT … SELECT whose rows over all shards are those of the SELECT as a whole, so that each may go to the shard where it belongs
 * without all of them meeting anywhere. The coordinator is asked whether the statement is right before that is done: here
 * the types are taken for assignable. undefined: it isn't so, or not proven.
 */
export function planRepartition(
  input: PlanInput,
  insert: InsertStmt,
  table: DistributedTable,
  { runsCode, upsert }: InsertThroughScratchPlan,
): Repartition | undefined {
  const answers = insert.returningClause !== undefined || insert.returningList !== undefined
  if (runsCode || upsert !== undefined || answers || table.hasTriggers) return undefined
  if (insert.override === 'OVERRIDING_USER_VALUE') return undefined
  try {
    return repartition(input, insert, table)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

function repartition(input: PlanInput, insert: InsertStmt, table: DistributedTable): Repartition {
  const select = wholeSelect(insert)
  const { root } = analyse({ ...input, part: 'somewhere' }, { SelectStmt: select })
  const { outputs } = root
  if (outputs === undefined || outputs.length === 0) return refuse('insert-select')
  const columns = givenColumns(insert, table, outputs.length)
  const keyIndex = columns.indexOf(table.distributionColumn)
  if (keyIndex < 0) return refuse('insert-select')
  const types = columns.map((column) => plainType(input, column))
  const typed = withTypedConstants(select, outputs, types)
  const plain = mayLoseOrder(typed, columns, table) ? withoutOrder(typed) : typed
  const statement: Tree = { SelectStmt: plain }
  const analysis = analyse({ ...input, statement, part: 'somewhere' }, statement)
  const rows = planScatterSelect(analysis, (plan) => plan())
  if (rows.combine !== undefined || rows.rowLimit !== undefined || rows.locksRows) {
    return refuse('insert-select')
  }
  const names = types.map((_, index) => `c${index + 1}`)
  const casts = types.map(({ coerced }, index) => coerced(`c${index + 1}`))
  const head = `SELECT ${casts.join(', ')} FROM (`
  return {
    rows: wrapped(rows, head, `) AS ${ROWS} (${names.join(', ')})`),
    columns: columns.map(({ name }) => name),
    keyIndex,
  }
}

/** WITH of the INSERT is the SELECT's as well. */
function wholeSelect({ selectStmt, withClause }: InsertStmt): SelectStmt {
  const select = selectStmt?.SelectStmt
  if (select === undefined || select.valuesLists !== undefined) return refuse('insert-select')
  if (withClause === undefined) return select
  if (select.withClause !== undefined) return refuse('insert-select')
  return { ...select, withClause }
}

function givenColumns(
  { cols }: InsertStmt,
  { columns }: DistributedTable,
  width: number,
): readonly Column[] {
  if (cols === undefined) {
    return width <= columns.length ? columns.slice(0, width) : refuse('insert-select')
  }
  if (cols.length !== width) return refuse('insert-select')
  return cols.map(({ ResTarget }) => {
    const column = columns.find(({ name }) => name === ResTarget?.name)
    const isPart = (ResTarget as { indirection?: unknown } | undefined)?.indirection !== undefined
    return column === undefined || isPart ? refuse('insert-select') : column
  })
}

type PlainType = {
  readonly tree: TypeName
  /** An expression as the column would take it from an INSERT. */
  coerced(expression: string): string
}

/** Types' own functions that apply a modifier, and what they are told besides: not to cut what is too long, as a cast would. */
const MODIFYING: ReadonlyMap<string, string> = new Map([
  ...['varchar', 'bpchar', 'bit', 'varbit'].map((name): [string, string] => [name, ', false']),
  ...['numeric', 'timestamp', 'timestamptz', 'time', 'timetz', 'interval'].map(
    (name): [string, string] => [name, ''],
  ),
])

/** The column's type without its modifier, which is applied as Postgres does in an INSERT (of arrays COPY does it). */
function plainType(input: PlanInput, { typeOid, typeName, typeModifier }: Column): PlainType {
  if (typeOid >= FIRST_USER_OID) return refuse('insert-select')
  const bare = bareTypeName(typeName)
  const [statement] = input.parser.parse(Buffer.from(`SELECT NULL::${bare}`)).stmts
  const target = (statement?.stmt as Tree | undefined)?.SelectStmt?.targetList?.[0]?.ResTarget
  const parsed = target?.val?.TypeCast?.typeName
  const name = strings(parsed?.names).at(-1)
  if (parsed === undefined || name === undefined) return refuse('insert-select')
  const { typmods: _, ...tree } = parsed
  const type = `pg_catalog."${name}"`
  if (tree.arrayBounds !== undefined) return { tree, coerced: (value) => `${value}::${type}[]` }
  const also = typeModifier < 0 ? undefined : MODIFYING.get(name)
  return {
    tree,
    coerced: (value) =>
      also === undefined
        ? `${value}::${type}`
        : `${type}(${value}::${type}, ${typeModifier}${also})`,
  }
}

/** Quoted constants, NULL and parameters in the select list become values of the columns' types at once, as in any INSERT. */
function withTypedConstants(
  select: SelectStmt,
  outputs: readonly { readonly expression: Tree | undefined }[],
  types: readonly PlainType[],
): SelectStmt {
  const targetList = select.targetList?.map((item) => {
    const value = item.ResTarget?.val
    const type = types[outputs.findIndex(({ expression }) => expression === value)]
    if (value === undefined || type === undefined || !isUntyped(value)) return item
    const val: Tree = { TypeCast: { arg: value, typeName: type.tree } }
    return { ResTarget: { ...item.ResTarget, val } }
  })
  return targetList === undefined ? select : { ...select, targetList }
}

function isUntyped({ A_Const, ParamRef }: Tree): boolean {
  return ParamRef !== undefined || A_Const?.sval !== undefined || A_Const?.isnull === true
}

/** Only values that are drawn in the order of the rows tell of that order. */
function mayLoseOrder(
  { sortClause, distinctClause, limitCount, limitOffset, targetList }: SelectStmt,
  given: readonly Column[],
  { columns }: DistributedTable,
): boolean {
  if (distinctClause !== undefined || limitCount !== undefined || limitOffset !== undefined) {
    return false
  }
  const isDrawn = columns.some(
    (column) => column.hasDefault && !column.isGenerated && !given.includes(column),
  )
  const isPlain = ({ SortBy }: Tree) =>
    SortBy?.node?.ColumnRef !== undefined || SortBy?.node?.A_Const?.ival !== undefined
  const hasCalls = JSON.stringify(targetList ?? []).includes('"FuncCall"')
  return !isDrawn && !hasCalls && sortClause?.every(isPlain) === true
}

function withoutOrder({ sortClause: _, ...select }: SelectStmt): SelectStmt {
  return select
}

function wrapped(rows: ScatterSelect, head: string, tail: string): ScatterSelect {
  const { pieces, holeTables } = rows.worker
  const last = pieces.length - 1
  const worker: ShardText = {
    holeTables,
    pieces: pieces.map((piece, index) => {
      const before = index === 0 ? head : ''
      const after = index === last ? tail : ''
      return Buffer.concat([Buffer.from(before), piece, Buffer.from(after)])
    }),
  }
  return { ...rows, worker }
}
