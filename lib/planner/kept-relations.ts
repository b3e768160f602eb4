import { type Block, type ColumnKey, resolveColumn } from './query-model.ts'
import type { Tree } from './tree.ts'

export function relationOf(key: ColumnKey): number {
  return Number(key.slice(0, key.indexOf(':')))
}

/** Ids of relations that no outer join may fill with nulls; `throughFull`: FULL JOIN's sides count as kept. */
export function keptRelations(block: Block, throughFull: boolean): ReadonlySet<number> {
  const kept = new Set<number>()
  const visit = (item: Tree | undefined): void => {
    const join = item?.JoinExpr
    if (join === undefined) {
      const relation = block.relations.find(({ node }) => node === item)
      if (relation !== undefined) kept.add(relation.id)
      return
    }
    const type = join.jointype
    if (type === 'JOIN_FULL' && !throughFull) return
    if (type !== 'JOIN_RIGHT') visit(join.larg)
    if (type !== 'JOIN_LEFT') visit(join.rarg)
  }
  for (const item of block.select?.fromClause ?? block.modify?.from ?? []) visit(item)
  if (block.modify !== undefined) for (const item of block.relations.slice(0, 1)) kept.add(item.id)
  return kept
}

/**
 * The expression is a column that no outer join fills with nulls, at any depth: where its relation is linked to others by
 * `=`, it is never null in the rows that are left.
 */
export function isKeptColumn(block: Block, tree: Tree | undefined): boolean {
  const reference = tree?.ColumnRef
  const resolved = reference === undefined ? undefined : resolveColumn(block, reference)
  const key = resolved?.visible.key
  if (resolved === undefined || key === undefined) return false
  if (!keptRelations(resolved.block, false).has(relationOf(key))) return false
  const inner = resolved.relation?.block
  if (inner === undefined) return true
  const index = resolved.relation?.columns?.indexOf(resolved.visible.name) ?? -1
  return isKeptColumn(inner, inner.outputs?.[index]?.expression)
}
