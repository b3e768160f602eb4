import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { MirroredPlan } from '../../../planner/write/write-plans.ts'
import { query } from '../../node-client.ts'
import type { StatementContext } from '../../ports.ts'
import { ChangeApplication } from './apply-changes.ts'
import { type Changes, findChanges } from './changes.ts'
import { addFollowers } from './followers.ts'
import type { Mirror } from './mirror.ts'

/**
 * Rows leave before others come, that may have their keys; but where rows only move, they meet those that were there, as they
 * would in one table. Referring rows leave first and come last.
 */
export async function applyChanges(
  { insertsFirst }: MirroredPlan,
  found: readonly Changes[],
  coordinator: BackendConnection,
  context: StatementContext,
): Promise<void> {
  const applications = found.map((changes) => new ChangeApplication(changes, coordinator, context))
  await addFollowers(applications, coordinator, context)
  if (insertsFirst) for (const application of applications) await application.insert()
  if (!insertsFirst) for (const application of applications.toReversed()) await application.delete()
  for (const application of applications) await application.update()
  if (insertsFirst) for (const application of applications.toReversed()) await application.delete()
  if (!insertsFirst) for (const application of applications) await application.insert()
  for (const application of applications) await application.end()
}

/** Of tables that others refer to before those of these. */
export async function findAllChanges(
  coordinator: BackendConnection,
  mirrors: readonly Mirror[],
): Promise<readonly Changes[]> {
  const found: Changes[] = []
  for (const mirror of await referredFirst(coordinator, mirrors)) {
    found.push(await findChanges(coordinator, mirror))
  }
  return found
}

/** Tables that others refer to come before these. */
async function referredFirst(
  coordinator: BackendConnection,
  mirrors: readonly Mirror[],
): Promise<readonly Mirror[]> {
  if (mirrors.length < 2) return mirrors
  const oids = mirrors.map(({ target }) => target.table.oid).join(', ')
  const { rows } = await query(
    coordinator,
    `SELECT conrelid, confrelid FROM pg_catalog.pg_constraint
     WHERE contype = 'f' AND conrelid IN (${oids}) AND confrelid IN (${oids}) AND conrelid <> confrelid`,
  )
  const ordered = new Set<Mirror>()
  const visit = (mirror: Mirror, above: readonly Mirror[]): void => {
    if (ordered.has(mirror) || above.includes(mirror)) return
    const own = rows.filter(([from]) => Number(from) === mirror.target.table.oid)
    for (const [, to] of own) {
      const referred = mirrors.find(({ target }) => target.table.oid === Number(to))
      if (referred !== undefined) visit(referred, [...above, mirror])
    }
    ordered.add(mirror)
  }
  for (const mirror of mirrors) visit(mirror, [])
  return [...ordered]
}
