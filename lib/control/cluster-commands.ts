import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type {
  ClusterCommands,
  CommandTag,
  Execution,
  FunctionResult,
  StatementContext,
} from '../executor/ports.ts'
import type { DdlPlan, FunctionPlan } from '../planner/plan.ts'
import {
  CLUSTER_FUNCTIONS,
  INTEGER,
  type Outside,
  SQL_FUNCTIONS,
  VOID,
} from './cluster-functions.ts'
import { CommandRun } from './command-run.ts'
import { dropTables } from './drop-tables.ts'
import { evaluateArguments, inferParameterTypes } from './function-arguments.ts'
import { refreshSizes } from './refresh-sizes.ts'
import { runOnAll } from './run-ddl.ts'
import { runExtensionDdl } from './run-extension-ddl.ts'
import { runFunctionDdl } from './run-function-ddl.ts'
import { runIndexDdl } from './run-index-ddl.ts'
import { maintain, truncate } from './run-maintenance.ts'
import { runTypeDdl } from './run-type-ddl.ts'

export type ControlCommandsOptions = Outside & {
  /** Monotonic clock in milliseconds. */
  readonly now?: () => number
}

const SIZES_MAX_AGE_MS = 1000

/** Cluster functions and DDL, carried out on the client's own connections and in its transaction. */
export class ControlCommands implements ClusterCommands {
  readonly #outside: Outside
  readonly #now: () => number
  #sizesAt = Number.NEGATIVE_INFINITY

  constructor({ now = () => performance.now(), ...outside }: ControlCommandsOptions) {
    this.#outside = outside
    this.#now = now
  }

  async callFunction(
    plan: FunctionPlan,
    context: StatementContext,
    execution: Execution,
  ): Promise<FunctionResult> {
    if (SQL_FUNCTIONS.has(plan.name)) return callSqlFunction(plan, context)
    const called = CLUSTER_FUNCTIONS.get(plan.name)
    if (called === undefined) throw notBuilt(plan.name)
    const work = async (): Promise<FunctionResult> => {
      const run = await CommandRun.begin(context)
      const values = await evaluateArguments(run, plan, called.arguments, execution)
      const result = await called.run(run, values, this.#outside)
      if (typeof result === 'object') return result
      const type = result === undefined ? VOID : INTEGER
      return { columns: [{ name: plan.name, ...type }], rows: [[result ?? '']] }
    }
    return called.isAtomic ? context.atomically(work) : work()
  }

  parameterTypes(
    plan: FunctionPlan,
    declared: readonly number[],
    context: StatementContext,
  ): Promise<readonly number[]> {
    const called = CLUSTER_FUNCTIONS.get(plan.name)
    if (called === undefined) throw notBuilt(plan.name)
    return inferParameterTypes(plan, called.arguments, declared, context)
  }

  runDdl(plan: DdlPlan, context: StatementContext, execution: Execution): Promise<CommandTag> {
    if (plan.command === 'VACUUM' || plan.command === 'ANALYZE') {
      return maintain(context, plan, execution.text)
    }
    return context.atomically(async () => {
      const run = await CommandRun.begin(context)
      const tag = await runInTransaction(run, plan, execution)
      await run.value('SELECT pgloom.bump_catalog_version()')
      return tag
    })
  }

  async refreshSizes(context: StatementContext): Promise<void> {
    const now = this.#now()
    if (!context.catalog.isInstalled || now - this.#sizesAt < SIZES_MAX_AGE_MS) return
    this.#sizesAt = now
    await refreshSizes(context)
  }
}

async function runInTransaction(
  run: CommandRun,
  plan: DdlPlan,
  execution: Execution,
): Promise<CommandTag> {
  const { text } = execution
  switch (plan.command) {
    case 'DROP TABLE':
      await dropTables(run, plan.tables, text.toString('utf8'))
      return 'DROP TABLE'
    case 'TRUNCATE TABLE':
      return truncate(run, plan, text.toString('utf8'))
    case 'DROP INDEX':
    case 'ALTER INDEX':
      return runIndexDdl(run, plan, text.toString('utf8'))
    case 'ALTER TYPE':
    case 'DROP TYPE':
      return runTypeDdl(run, plan, text.toString('utf8'))
    case 'CREATE EXTENSION':
    case 'DROP EXTENSION':
    case 'ALTER EXTENSION':
      return runExtensionDdl(run, plan, text.toString('utf8'))
    case 'FUNCTION':
      return runFunctionDdl(run, text.toString('utf8'))
    case 'CREATE INDEX':
    case 'ALTER TABLE':
    case 'GRANT':
    case 'ANALYZE':
    case 'VACUUM':
      return runOnAll(run, plan, execution)
  }
}

async function callSqlFunction(
  plan: FunctionPlan,
  context: StatementContext,
): Promise<FunctionResult> {
  const connection = await context.connection(context.catalog.nodes[0]?.nodeId ?? 0, 'read')
  const args = plan.arguments.map(({ name, text }) =>
    name === undefined ? text : `${name} => ${text}`,
  )
  const { fields, rows } = await query(
    connection,
    `SELECT pgloom.${plan.name}(${args.join(', ')}) AS ${plan.name}`,
  )
  const columns = fields.map(({ name, typeOid, typeSize }) => ({ name, typeOid, typeSize }))
  return { columns, rows }
}

function notBuilt(name: string): RouterError {
  const existing = [...CLUSTER_FUNCTIONS.keys()].sort().join(', ')
  return new RouterError(SqlState.featureNotSupported, `function ${name} is not supported yet`, {
    hint: `Cluster functions that are: ${existing}.`,
  })
}
