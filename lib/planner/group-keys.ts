import type { Output } from './query-model.ts'
import type { Tree } from './tree.ts'

/** GROUP BY's expressions with ordinals and output names put in; undefined: grouping sets. */
export function groupKeys(
  select: { readonly groupClause?: readonly Tree[] },
  outputs: readonly Output[] | undefined,
): readonly Tree[] | undefined {
  const keys: Tree[] = []
  for (const item of select.groupClause ?? []) {
    if (item.GroupingSet !== undefined) return undefined
    const ordinal = item.A_Const?.ival?.ival
    const output = ordinal === undefined ? undefined : outputs?.[ordinal - 1]
    keys.push(output?.expression ?? item)
  }
  return keys
}

/** PARTITION BY of every window call in the select list and ORDER BY; undefined where there is none. */
export function windowsOf(select: {
  readonly targetList?: readonly Tree[]
  readonly sortClause?: readonly Tree[]
  readonly distinctClause?: readonly Tree[]
  readonly windowClause?: readonly Tree[]
}): readonly (readonly Tree[] | undefined)[] {
  const named = new Map(
    (select.windowClause ?? []).map(({ WindowDef }) => [WindowDef?.name ?? '', WindowDef]),
  )
  const found: (readonly Tree[] | undefined)[] = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item)
      return
    }
    if (typeof value !== 'object' || value === null) return
    const { over, SubLink } = value as { over?: Tree['WindowDef']; SubLink?: object }
    if (SubLink !== undefined) return
    if (over !== undefined) {
      const base = named.get(over.name ?? over.refname ?? '')
      found.push(over.partitionClause ?? partitionOf(base, named))
    }
    Object.values(value).forEach(visit)
  }
  visit(select.targetList)
  visit(select.sortClause)
  visit(select.distinctClause)
  return found
}

function partitionOf(
  window: Tree['WindowDef'],
  named: ReadonlyMap<string, Tree['WindowDef']>,
): readonly Tree[] | undefined {
  if (window === undefined || window.partitionClause !== undefined) return window?.partitionClause
  return partitionOf(named.get(window.refname ?? ''), named)
}
