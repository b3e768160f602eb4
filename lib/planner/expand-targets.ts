import { outputName } from './output-names.ts'
import type { Block, Output, VisibleColumn } from './query-model.ts'
import type { Tree } from './tree.ts'

/** A target list with its stars opened; undefined: not known. */
export function expandTargets(
  block: Block,
  targets: readonly Tree[] | undefined,
): readonly Output[] | undefined {
  const outputs: Output[] = []
  for (const { ResTarget } of targets ?? []) {
    const expression = ResTarget?.val
    const fields = expression?.ColumnRef?.fields ?? []
    if (expression === undefined) return undefined
    if (fields.at(-1)?.A_Star === undefined) {
      outputs.push({ name: ResTarget?.name ?? outputName(expression), expression })
      continue
    }
    const expanded = expandStar(block, fields)
    if (expanded === undefined) return undefined
    outputs.push(...expanded)
  }
  return outputs
}

function expandStar(block: Block, fields: readonly Tree[]): readonly Output[] | undefined {
  if (fields.length === 1) {
    if (!block.knowsColumns) return undefined
    return block.visible
      .map((column) => visibleOutput(block, column))
      .filter((item) => item !== undefined)
  }
  const names = fields.slice(0, -1).map((field) => field.String?.sval)
  const relation = block.relations.find((item) => item.alias === names.at(-1))
  return relation?.columns?.map((name) => ({ name, expression: reference(relation.alias, name) }))
}

function visibleOutput(block: Block, column: VisibleColumn): Output | undefined {
  const id = Number((column.key ?? '').split(':')[0])
  const relation = block.relations.find((item) => item.id === id)
  const alias = column.key === undefined ? undefined : relation?.alias
  return { name: column.name, expression: reference(alias, column.name) }
}

function reference(alias: string | undefined, name: string): Tree {
  const parts = alias === undefined ? [name] : [alias, name]
  return { ColumnRef: { fields: parts.map((sval) => ({ String: { sval } })) } }
}
