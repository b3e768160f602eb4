import type { KeyedTable } from './locked-keys.ts'
import type { PlanInput } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { SHARD_NUMBER } from './shard-text.ts'
import { namesRows } from './system-columns.ts'
import { conjuncts, strings, type Tree, type TypeName, walkTree } from './tree.ts'

/** The columns that are a row's identity, of which the parameters after `highest` hold many: an array for each. */
export type Identity = {
  readonly keys: readonly Tree[]
  readonly types: readonly string[]
  readonly highest: number
  /** Of the ctids among them. */
  readonly places: readonly number[]
}

export function identityOf(tables: readonly KeyedTable[], highest: number): Identity {
  const shard = shardKeys(tables)
  const keys = [...shard.keys]
  const places: number[] = []
  for (const table of tables) {
    if (table.isPlaced) places.push(keys.length)
    keys.push(...table.keys)
  }
  const types = [...shard.types, ...tables.flatMap(({ types: own }) => own)]
  return { keys, types, highest, places }
}

/** Where a row lies says nothing without its shard: all tables' rows are of one. */
export function shardKeys(tables: readonly KeyedTable[]): Pick<Identity, 'keys' | 'types'> {
  return hasPlaces(tables) ? { keys: [SHARD_NUMBER], types: ['int4'] } : { keys: [], types: [] }
}

/** The row is one of those in the parameters. */
export function keyConditions(input: PlanInput, identity: Identity): readonly Tree[] {
  const { keys, types, highest } = identity
  const arrays = types.map((type, index) => ({
    TypeCast: {
      arg: { ParamRef: { number: highest + index + 1 } },
      typeName: arrayType(input, type),
    },
  }))
  const columns =
    keys.length === 1 ? keys[0] : { RowExpr: { args: keys, row_format: 'COERCE_IMPLICIT_CAST' } }
  const conditions = conjuncts(template(input, identity)).map((condition) =>
    fill(condition, { columns: columns ?? {}, keys, arrays }),
  )
  for (const condition of conditions) namesRows(condition)
  return conditions
}

const KEY_MARK = 'pgloom_key'
const PLACE_MARK = 'pgloom_place_'
const ARRAY_MARK = 'pgloom_keys_'

/** The grammar's own tree of it. Servers look for a ctid in an array at once, for those in a set of rows they read the whole table. */
function template({ parser }: PlanInput, { keys, places }: Identity): Tree {
  const rows = keys.map((_, index) => `pg_catalog.unnest(${ARRAY_MARK}${index})`)
  const conditions = places.map((place) => {
    const wanted = `ROWS FROM (pg_catalog.unnest(${ARRAY_MARK}0), pg_catalog.unnest(${ARRAY_MARK}${place})) pgloom_wanted (shard, place)`
    return `${PLACE_MARK}${place} = ANY (ARRAY(SELECT place FROM ${wanted} WHERE shard = ${PLACE_MARK}0))`
  })
  const all = `${KEY_MARK} IN (SELECT * FROM ROWS FROM (${rows.join(', ')}) pgloom_wanted)`
  const text = `SELECT ${[...conditions, all].join(' AND ')}`
  const tree = parser.parse(Buffer.from(text)).stmts[0]?.stmt as Tree | undefined
  return tree?.SelectStmt?.targetList?.[0]?.ResTarget?.val ?? refuse('row-locks')
}

export function hasPlaces(tables: readonly KeyedTable[]): boolean {
  return tables.some(({ isPlaced }) => isPlaced)
}

type Filling = {
  readonly columns: Tree
  readonly keys: readonly Tree[]
  readonly arrays: readonly Tree[]
}

function fill<T>(tree: T, filling: Filling): T {
  if (Array.isArray(tree)) return tree.map((item) => fill(item, filling)) as T
  if (typeof tree !== 'object' || tree === null) return tree
  const filled = fillMark(strings((tree as Tree).ColumnRef?.fields)[0] ?? '', filling)
  if (filled !== undefined) return filled as T
  const entries = Object.entries(tree).map(([field, value]) => [field, fill(value, filling)])
  return Object.fromEntries(entries)
}

function fillMark(name: string, { columns, keys, arrays }: Filling): Tree | undefined {
  if (name === KEY_MARK) return columns
  if (name.startsWith(PLACE_MARK)) return keys[Number(name.slice(PLACE_MARK.length))]
  return name.startsWith(ARRAY_MARK) ? arrays[Number(name.slice(ARRAY_MARK.length))] : undefined
}

function arrayType({ parser }: PlanInput, typeName: string): TypeName {
  const tree = parser.parse(Buffer.from(`SELECT NULL::${typeName}[]`)).stmts[0]?.stmt as
    | Tree
    | undefined
  const type = tree?.SelectStmt?.targetList?.[0]?.ResTarget?.val?.TypeCast?.typeName
  return type ?? refuse('row-locks')
}

export function all(conditions: readonly Tree[]): Tree {
  const [only] = conditions
  if (only !== undefined && conditions.length === 1) return only
  return { BoolExpr: { boolop: 'AND_EXPR', args: conditions } }
}

export function highestParameter(statement: Tree): number {
  let highest = 0
  walkTree(statement, (kind, node) => {
    if (kind === 'ParamRef') highest = Math.max(highest, Number(node['number'] ?? 0))
    return undefined
  })
  return highest
}
