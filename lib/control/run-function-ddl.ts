import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { CommandTag } from '../executor/ports.ts'
import { type CommandRun, runAll, workersOf } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import { type FunctionNames, functionNames } from './function-description.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import { attempt, functionsToShare, type SharedFunction, shareFunction } from './share-functions.ts'

type Renamed = { readonly from: FunctionNames; readonly to: SharedFunction }

/**
 * What CREATE, ALTER, DROP, GRANT and REVOKE of functions, procedures and aggregates have made of those of the coordinator, done
 * to the workers as well. What a worker can't have stays on the coordinator only, as planner/functions/ finds out.
 */
export async function runFunctionDdl(run: CommandRun, text: string): Promise<CommandTag> {
  const workers = workersOf(await run.catalog())
  const before = await functionNames(run.coordinator)
  const tag = await run.statement(text)
  const after = await functionNames(run.coordinator)
  const { changed, gone } = difference(before, after)
  if (changed.length + gone.length === 0) return tag
  const shared = await functionsToShare(run, changed)
  const renamed = shared.flatMap((to): readonly Renamed[] => {
    const from = before.find(({ oid }) => oid === to.oid)
    return from === undefined || from.signature === to.signature ? [] : [{ from, to }]
  })
  await run.onEach(workers, async (connection) => {
    const failures = await follow(connection, gone, renamed, shared)
    for (const failure of failures) tellFailure(run, connection, failure)
  })
  return tag
}

function difference(before: readonly FunctionNames[], after: readonly FunctionNames[]) {
  const digests = new Map(before.map(({ oid, digest }) => [oid, digest]))
  const changed = after.filter(({ oid, digest }) => digests.get(oid) !== digest)
  const remaining = new Set(after.map(({ oid }) => oid))
  return {
    changed: changed.map(({ oid }) => oid),
    gone: before.filter(({ oid }) => !remaining.has(oid)).map(({ signature }) => signature),
  }
}

async function follow(
  connection: BackendConnection,
  gone: readonly string[],
  renamed: readonly Renamed[],
  shared: readonly SharedFunction[],
): Promise<readonly RouterError[]> {
  await drop(connection, gone)
  for (const { from, to } of renamed) await rename(connection, from, to)
  const failures: RouterError[] = []
  for (const one of shared) {
    const failure = await shareFunction(connection, one)
    if (failure !== undefined) failures.push(failure)
  }
  return failures
}

async function drop(connection: BackendConnection, gone: readonly string[]): Promise<void> {
  if (gone.length === 0) return
  const failure = await attempt(connection, () =>
    runAll(connection, [`DROP ROUTINE IF EXISTS ${gone.join(', ')}`]),
  )
  if (failure === undefined) return
  throw new RouterError(
    SqlState.featureNotSupported,
    'DROP … CASCADE is not supported for functions that distributed or reference tables use',
    {
      detail: failure.message,
      hint: 'Drop the defaults, constraints and indexes that use it first, then the function without CASCADE.',
    },
  )
}

/** As it was there, whatever uses it keeps it. */
async function rename(
  connection: BackendConnection,
  from: FunctionNames,
  to: FunctionNames,
): Promise<void> {
  const there = await functionNames(connection)
  if (!there.some(({ signature }) => signature === from.signature)) return
  if (from.name !== to.name) {
    const name = quoteIdentifier(to.name)
    await runAll(connection, [`ALTER ROUTINE ${from.signature} RENAME TO ${name}`])
  }
  if (from.schema !== to.schema) {
    const moved = quoteQualified(from.schema, to.name)
    await runAll(connection, [
      ...createSchemaSql(to.schema),
      `ALTER ROUTINE ${moved}(${to.arguments}) SET SCHEMA ${quoteIdentifier(to.schema)}`,
    ])
  }
}

export function tellFailure(
  run: CommandRun,
  { node }: BackendConnection,
  failure: RouterError,
): void {
  run.notice(`the function could not be created on ${node.host}:${node.port}`, failure.message)
}
