import type { DistributedTable } from '../catalog/catalog.ts'
import { ModelBuilder } from './model-builder.ts'
import type { PlanInput } from './plan-input.ts'
import { allBlocks, type Block } from './query-model.ts'
import { refuse } from './refusals.ts'
import { checkStatement } from './statement-checks.ts'
import { type StatementTables, tableReferences } from './table-references.ts'
import type { Tree } from './tree.ts'
import { ValueFlow } from './value-flow.ts'
import { checkAssignments, linkInsert } from './write/insert-keys.ts'

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
  const analysis = read(input, statement, tables)
  checkStatement(input, analysis.root)
  checkUpdates(analysis.root)
  return analysis
}

/** Without checks, for a statement that the coordinator runs. Refuses what can't be read. */
export function read(input: PlanInput, statement: Tree, tables: StatementTables): Analysis {
  const builder = new ModelBuilder(input)
  const root = builder.build(statement)
  const flow = new ValueFlow(input, builder, root)
  // the statement's own INSERT is planned by its own rules
  for (const [block, insert] of builder.inserts) {
    if (block !== root) linkInsert({ input, flow }, block, insert)
  }
  return { input, tables, builder, root, flow }
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
