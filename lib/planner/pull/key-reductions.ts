import type { Column } from '../../catalog/catalog.ts'
import { TypeOid } from '../../catalog/type-oid.ts'
import type { PulledRows } from '../plan.ts'
import { allBlocks, allRelations, columnKey, type Relation } from '../query-model.ts'
import type { FuncCall, Tree } from '../tree.ts'
import { mustHold } from '../value-flow.ts'
import type { Reading } from './pull-planner.ts'

/** Rows of `pull` matter only where their `target` is among the values that `source` has in the rows of pull `by`. */
export type KeyLink = {
  readonly pull: number
  readonly by: number
  readonly source: string
  readonly target: string
  /** Of the source's values. */
  readonly typeName: string
}

export type KeyReductions = {
  readonly links: readonly KeyLink[]
  /** The rows of a pull that have such values, each list of them an array in the parameter of that number. */
  readonly reduced: (pull: number, keys: readonly LinkedKeys[]) => PulledRows
}

export type LinkedKeys = { readonly link: KeyLink; readonly parameter: number }

/** One place where the rows of a pull are read. */
export type PullUse = { readonly pull: number; readonly relation: Relation | undefined }

const TYPE_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [TypeOid.int2, 'int2'],
  [TypeOid.int4, 'int4'],
  [TypeOid.int8, 'int8'],
  [TypeOid.text, 'text'],
  [TypeOid.varchar, 'text'],
  [TypeOid.uuid, 'uuid'],
  [TypeOid.date, 'date'],
  [TypeOid.timestamp, 'timestamp'],
  [TypeOid.timestamptz, 'timestamptz'],
])
const TEXTS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar])

/** By what equalities say of the statement's columns. Only where all rows of a pull are for one place. */
export function keyLinks(
  reading: NonNullable<Reading>,
  pulls: readonly PulledRows[],
  uses: readonly PullUse[],
  hasCollations: boolean,
): readonly KeyLink[] {
  const links: KeyLink[] = []
  if (tellsNullFromFalse(reading)) return links
  const add = (link: KeyLink) => {
    const isKnown = links.some(
      ({ pull, by, source, target }) =>
        pull === link.pull && by === link.by && source === link.source && target === link.target,
    )
    if (!isKnown) links.push(link)
  }
  const shared = sharedRelations(reading)
  for (const { pull: by, relation: from } of uses) {
    for (const { pull, relation: to } of uses) {
      if (pull === by || from === undefined || to === undefined || shared.has(to)) continue
      if (uses.filter((use) => use.pull === pull).length > 1) continue
      for (const pair of linkedColumns(reading, { from, to }, pulls[by], hasCollations)) {
        add({ pull, by, ...pair })
      }
    }
  }
  return links
}

/** Where IN isn't a condition that must hold, a NULL on its left is told by there being any row on its right. */
function tellsNullFromFalse({ root }: NonNullable<Reading>): boolean {
  return allBlocks(root).some((block) =>
    block.children.some((child) => child.compared.length > 0 && !mustHold(block, child)),
  )
}

/** Of CTEs that are read in several places. */
function sharedRelations({ builder }: NonNullable<Reading>): ReadonlySet<Relation> {
  const shared = [...builder.cteUses].filter(([, uses]) => uses > 1)
  return new Set(shared.flatMap(([block]) => allRelations(block)))
}

function linkedColumns(
  { flow }: NonNullable<Reading>,
  { from, to }: { readonly from: Relation; readonly to: Relation },
  rows: PulledRows | undefined,
  hasCollations: boolean,
): readonly Pick<KeyLink, 'source' | 'target' | 'typeName'>[] {
  return columnsOf(from).flatMap(([seen, source]) => {
    const typeName = rows?.columns.includes(source.name)
      ? typeNameOf(source, hasCollations)
      : undefined
    if (typeName === undefined) return []
    const reached = flow.reachable([columnKey(from, seen)])
    return columnsOf(to).flatMap(([name, target]) => {
      const isUsable = typeNameOf(target, hasCollations) !== undefined
      const isLinked = isUsable && reached.has(columnKey(to, name))
      return isLinked ? [{ source: source.name, target: target.name, typeName }] : []
    })
  })
}

function columnsOf({ columns = [], table }: Relation): readonly (readonly [string, Column])[] {
  return columns.flatMap((seen, index) => {
    const column = table?.columns[index]
    return column === undefined ? [] : [[seen, column] as const]
  })
}

function typeNameOf({ typeOid, collation }: Column, hasCollations: boolean) {
  if (collation !== undefined || (hasCollations && TEXTS.has(typeOid))) return undefined
  return TYPE_NAMES.get(typeOid)
}

/** `column = ANY (SELECT unnest($3::int8[]))`: as a join, since to plan with an array that is known takes longer than to read the rows. */
export function amongKeys(column: Tree, { link, parameter }: LinkedKeys): Tree {
  const typeName = {
    names: qualified(link.typeName),
    typemod: -1,
    arrayBounds: [{ Integer: { ival: -1 } }],
  }
  const keys = { TypeCast: { arg: { ParamRef: { number: parameter } }, typeName } }
  const unnest: FuncCall = {
    funcname: qualified('unnest'),
    args: [keys],
    funcformat: 'COERCE_EXPLICIT_CALL',
  }
  const subselect: Tree = {
    SelectStmt: {
      targetList: [{ ResTarget: { val: { FuncCall: unnest } } }],
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  }
  const operName = qualified('=')
  return { SubLink: { subLinkType: 'ANY_SUBLINK', testexpr: column, operName, subselect } }
}

function qualified(name: string): readonly Tree[] {
  return ['pg_catalog', name].map((sval) => ({ String: { sval } }))
}
