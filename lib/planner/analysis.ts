import type { DistributedTable } from '../catalog/catalog.ts'
import { ModelBuilder } from './model-builder.ts'
import type { PlanInput } from './plan-input.ts'
import { allBlocks, type Block } from './query-model.ts'
import { refuse } from './refusals.ts'
import { checkStatement } from './statement-checks.ts'
import { type StatementTables, tableReferences } from './table-references.ts'
import type { Tree } from './tree.ts'
import { ValueFlow } from './value-flow.ts'

/** A statement on distributed tables, read. */
export type Analysis = {
  readonly input: PlanInput
  readonly tables: StatementTables
  readonly builder: ModelBuilder
  readonly root: Block
  readonly flow: ValueFlow
}

/** Refuses what no statement on distributed tables may do. `statement` is the input's or a part of it. */
export function analyse(input: PlanInput, statement: Tree): Analysis {
  const tables = tableReferences(input, statement)
  checkColocation(tables.distributed)
  const builder = new ModelBuilder(input)
  const root = builder.build(statement)
  checkStatement(input, root)
  checkUpdates(root)
  return { input, tables, builder, root, flow: new ValueFlow(input, builder, root) }
}

function checkColocation(tables: readonly DistributedTable[]): void {
  const groups = new Set(tables.map(({ colocationId }) => colocationId))
  if (groups.size > 1) refuse('not-colocated')
}

function checkUpdates(root: Block): void {
  for (const block of allBlocks(root)) {
    const table = block.relations[0]?.table
    if (block.kind !== 'update' || table?.kind !== 'distributed') continue
    checkAssignments(block.modify?.statement.targetList, table)
  }
}

/** No SET may name the distribution column, be it by `(a, b) = …`. */
export function checkAssignments(
  targets: readonly Tree[] | undefined,
  table: DistributedTable,
): void {
  for (const { ResTarget } of targets ?? []) {
    if (ResTarget?.name === table.distributionColumn.name) {
      refuse('update-distribution-column', undefined, ResTarget.location)
    }
  }
}

export function columnNames(targets: readonly Tree[] | undefined): readonly string[] {
  return (targets ?? []).map(({ ResTarget }) => ResTarget?.name ?? '')
}
