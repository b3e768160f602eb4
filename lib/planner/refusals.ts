import { RouterError } from '../base/errors.ts'
import type { RefusalPlan } from './plan.ts'

export type RefusalRule = {
  readonly sqlState: string
  /** `%s` stands for the detail of the case at hand. */
  readonly message: string
  /** How the case's detail is worded; without it, as it is. Not shown where the message has it. */
  readonly detail?: string
  readonly hint: string
  /** A statement over the tables of the test catalog that is refused for this reason. */
  readonly example: string
}

/** Thrown inside the planner only; planStatement turns it into a RefusalPlan. */
export class Refusal extends Error {
  readonly id: RefusalId
  readonly detail: string | undefined
  readonly offset: number | undefined

  constructor(id: RefusalId, detail?: string, offset?: number) {
    super(id)
    this.name = new.target.name
    this.id = id
    this.detail = detail
    this.offset = offset
  }

  plan(): RefusalPlan {
    return {
      kind: 'refusal',
      id: this.id,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...(this.offset === undefined ? {} : { offset: this.offset }),
    }
  }
}

export function refuse(id: RefusalId, detail?: string, offset?: number): never {
  throw new Refusal(id, detail, offset)
}

const NOT_SUPPORTED = '0A000'
const PIN_HINT = 'Add a filter that gives the distribution column one value.'

/** Everything that the planner refuses, and why. */
export const REFUSALS = {
  'row-locks': {
    sqlState: NOT_SUPPORTED,
    message: 'could not run distributed query with FOR UPDATE/SHARE commands',
    hint: 'Leave out LIMIT and NOWAIT where distributed tables are joined with local ones or on other columns, or lock rows in a statement of its own.',
    example: 'SELECT * FROM events, system_settings LIMIT 1 FOR UPDATE',
  },
  'row-locks-limit': {
    sqlState: NOT_SUPPORTED,
    message:
      'FOR UPDATE/SHARE with LIMIT over several shards, or on reference tables together with distributed ones, cannot lock rows inside subqueries of FROM, nor rows of reference tables without a primary key',
    hint: 'Name the tables to be locked: FOR UPDATE OF …; or lock rows by their keys in a second statement.',
    example: 'SELECT * FROM (SELECT * FROM events) e LIMIT 1 FOR UPDATE',
  },
  'reference-locks': {
    sqlState: NOT_SUPPORTED,
    message:
      'rows of reference tables cannot be locked in a subquery of a statement on distributed tables',
    hint: 'Name the distributed tables: FOR UPDATE OF …; lock rows of the reference table in a statement of its own.',
    example:
      'SELECT count(*) FROM (SELECT 1 FROM events JOIN countries ON code = event_type WHERE tenant_id = 1 FOR UPDATE) s',
  },
  'node-dependent-function': {
    sqlState: NOT_SUPPORTED,
    message:
      'a function whose value depends on the node or its catalogs cannot be used with distributed tables',
    detail: 'function %s()',
    hint: 'Run it in a statement of its own.',
    example: "SELECT pg_relation_size('events'), count(*) FROM events WHERE tenant_id = 1",
  },
  'sequence-function': {
    sqlState: NOT_SUPPORTED,
    message: 'sequence functions cannot be called in a statement on distributed tables',
    detail: 'function %s()',
    hint: 'Call nextval() in a statement of its own, or let the column default do it.',
    example: "UPDATE events SET event_id = currval('s') WHERE tenant_id = 1",
  },
  'system-column': {
    sqlState: NOT_SUPPORTED,
    message: 'system columns of distributed tables cannot be used here',
    hint: 'Each shard has rows of its own under the same ctid: filter on one value of the distribution column, compare it with the ctid of a row of the same shard only, or use a key of your own.',
    example: 'DELETE FROM events WHERE ctid = $$(0,1)$$',
  },
  'quoted-unicode': {
    sqlState: NOT_SUPPORTED,
    message: 'the name of a distributed table cannot be written as U&"…"',
    hint: 'Write the name plainly or in double quotes.',
    example: 'SELECT * FROM U&"events" WHERE tenant_id = 1',
  },
  expression: {
    sqlState: NOT_SUPPORTED,
    message: 'this expression is not supported in a statement over several shards',
    hint: PIN_HINT,
    example: 'SELECT count(*) FROM events *, metrics',
  },
  'global-unique-conflict': {
    sqlState: NOT_SUPPORTED,
    message:
      'COPY and EXPLAIN of ON CONFLICT on a table with a global unique index need an index that holds the distribution column',
    detail: 'index %s',
    hint: 'Write the INSERT as a statement of its own.',
    example: "EXPLAIN INSERT INTO accounts VALUES (1, 'a@x') ON CONFLICT DO NOTHING",
  },
  'reference-write-key': {
    sqlState: NOT_SUPPORTED,
    message:
      'rows of a reference table with columns of types that users made, and without a primary key, can only be changed where each node would make the same change',
    hint: 'Give the table a primary key.',
    example: 'UPDATE feelings SET note = random()::text',
  },
  'view-write': {
    sqlState: NOT_SUPPORTED,
    message: 'this write to a view over distributed tables is not supported',
    hint: 'Write to the table itself.',
    example: 'UPDATE some_events SET event_id = DEFAULT WHERE tenant_id = 1',
  },
  'view-check-option': {
    sqlState: NOT_SUPPORTED,
    message:
      'a write to a view WITH CHECK OPTION is only supported where it changes no column that the view filters on',
    hint: 'Write to the table itself.',
    example: 'INSERT INTO checked_events VALUES (1, 7)',
  },
  'view-form': {
    sqlState: NOT_SUPPORTED,
    message: 'a view over distributed tables cannot be used like this',
    detail: 'Rows as values of its own row type, system columns, ONLY and * need the view itself.',
    hint: 'Name its columns, or use to_jsonb() or ROW(…).',
    example: 'SELECT v FROM some_events v',
  },
  'current-of': {
    sqlState: NOT_SUPPORTED,
    message:
      'WHERE CURRENT OF needs a cursor over the rows of one shard of the same colocation group',
    hint: 'Let the query of the cursor filter on one value of the distribution column.',
    example: 'UPDATE events SET event_type = NULL WHERE CURRENT OF c',
  },
  'copy-file': {
    sqlState: NOT_SUPPORTED,
    message:
      'COPY between a distributed or reference table and a file of the server is not supported',
    hint: "Use COPY … FROM STDIN or TO STDOUT, or psql's \\copy.",
    example: "COPY events TO '/tmp/events'",
  },
  'copy-where': {
    sqlState: NOT_SUPPORTED,
    message: "whole rows in COPY's WHERE are not supported on distributed and reference tables",
    hint: 'Name the columns.',
    example: 'COPY events FROM STDIN WHERE events IS NOT NULL',
  },
  'mixed-tables': {
    sqlState: NOT_SUPPORTED,
    message: 'cannot change local and distributed tables in one statement',
    hint: 'Write one statement for each kind of table.',
    example: 'TRUNCATE events, system_settings',
  },
  triggers: {
    sqlState: NOT_SUPPORTED,
    message: 'triggers are not supported on distributed tables',
    hint: 'Write the effect in your statements.',
    example: 'CREATE TRIGGER t BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION f()',
  },
  utility: {
    sqlState: NOT_SUPPORTED,
    message: '%s is not supported on distributed and reference tables',
    hint: "What concerns the stored rows only can be run on every shard: SELECT * FROM run_command_on_shards('my_table', 'REINDEX TABLE %s').",
    example: 'REINDEX TABLE events',
  },
  'update-settings': {
    sqlState: NOT_SUPPORTED,
    message: 'settings cannot be changed with UPDATE pg_settings through the proxy',
    hint: 'Use SET or set_config().',
    example: "UPDATE pg_settings SET setting = '1MB' WHERE name = 'work_mem'",
  },
  inheritance: {
    sqlState: NOT_SUPPORTED,
    message: 'a table cannot inherit from a distributed or reference table',
    hint: 'Copy its columns with LIKE.',
    example: 'CREATE TABLE more () INHERITS (events)',
  },
  publication: {
    sqlState: NOT_SUPPORTED,
    message: 'a publication through the proxy cannot take in distributed and reference tables',
    hint: 'Create the publication on every node, for the tables of the shards.',
    example: 'CREATE PUBLICATION p FOR ALL TABLES',
  },
  'index-concurrently': {
    sqlState: NOT_SUPPORTED,
    message: 'CREATE INDEX CONCURRENTLY is not supported on distributed tables yet',
    hint: 'Leave out CONCURRENTLY.',
    example: 'CREATE INDEX CONCURRENTLY i ON events (event_type)',
  },
  'set-schema': {
    sqlState: NOT_SUPPORTED,
    message: 'a distributed or reference table cannot be moved to another schema',
    hint: 'Create and distribute a table of the same columns in the other schema, and copy the rows with INSERT … SELECT.',
    example: 'ALTER TABLE events SET SCHEMA other',
  },
  'drop-schema': {
    sqlState: NOT_SUPPORTED,
    message: 'a schema with distributed tables cannot be dropped or renamed',
    hint: 'Drop the distributed tables first.',
    example: 'DROP SCHEMA public CASCADE',
  },
  'drop-owned': {
    sqlState: NOT_SUPPORTED,
    message:
      'DROP OWNED and REASSIGN OWNED are not supported in a database with distributed tables',
    hint: 'Drop or alter the objects one by one.',
    example: 'DROP OWNED BY app',
  },
  'cluster-function-context': {
    sqlState: NOT_SUPPORTED,
    message:
      'a cluster function can only be called with constants, in the FROM list or as a column of a SELECT without FROM, and not beside distributed tables',
    hint: 'Call it in a statement of its own.',
    example: "SELECT create_reference_table(name) FROM (VALUES ('x')) v (name)",
  },
  'metadata-with-distributed': {
    sqlState: NOT_SUPPORTED,
    message: 'cluster metadata cannot be joined with distributed tables',
    detail: 'function %s()',
    hint: 'Query the metadata in a statement of its own.',
    example: 'SELECT citus_version(), count(*) FROM events WHERE tenant_id = 1',
  },
  explain: {
    sqlState: NOT_SUPPORTED,
    message: 'EXPLAIN is not supported for this statement',
    hint: 'Explain the query alone.',
    example: 'EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT * FROM events',
  },
  'set-from-current': {
    sqlState: NOT_SUPPORTED,
    message: 'this form of SET is not supported',
    hint: 'Write the value as a constant.',
    example: "SET TIME ZONE INTERVAL '1' HOUR TO MINUTE",
  },
} as const satisfies Readonly<Record<string, RefusalRule>>

/** Why a statement is not pushed down. It then runs in another way, whose own refusal the client reads if there is one. */
const UNPROVEN = {
  'not-joined-on-key':
    'complex joins are only supported when all distributed tables are co-located and joined on their distribution columns',
  'not-colocated': 'the statement uses distributed tables that are not colocated',
  'subquery-not-pushable': 'cannot push down this subquery',
  'recursive-cte':
    'recursive CTEs are only supported when they contain a filter on the distribution column',
  'insert-select': 'cannot plan distributed INSERT INTO ... SELECT query',
  'insert-scratch-clauses':
    'INSERT with ON CONFLICT, or with more than columns in RETURNING, needs constants or parameters for the distribution column',
  'modifying-cte':
    'data-modifying statements in WITH are only supported when all distributed tables are filtered to one value of the distribution column',
  'table-sample':
    'a sample of a reference table cannot be taken on each node of a distributed query',
  merge:
    'MERGE is only supported when all distributed tables are filtered to one value of the distribution column',
  'volatile-function':
    'volatile functions are not supported here in a statement over several shards',
  'regclass-constant':
    'object identifiers cannot be looked up in a statement on distributed tables',
  'whole-row': 'a whole row of a distributed table cannot be used as a value of its row type here',
  'update-distribution-column': 'ON CONFLICT cannot change the partition value of rows',
  'insert-conflict-source':
    'ON CONFLICT and RETURNING of an INSERT whose rows go to several shards can only read the rows themselves and reference tables',
  'reference-write-volatile':
    'a change to a reference table must do the same on every node: functions in it must be IMMUTABLE',
  'reference-write-default': 'a column of a reference table cannot be set to its default here',
  'reference-write-source':
    'cannot perform select on a distributed table and modify a reference table',
} as const

export type RefusalId = keyof typeof REFUSALS | keyof typeof UNPROVEN

function ruleOf(id: RefusalId): RefusalRule {
  if (id in REFUSALS) return REFUSALS[id as keyof typeof REFUSALS]
  const message = UNPROVEN[id as keyof typeof UNPROVEN]
  return { sqlState: NOT_SUPPORTED, message, hint: PIN_HINT, example: '' }
}

function fill(text: string, detail: string): string {
  return text.replace('%s', () => detail)
}

/** The error that a refusal is for the client. `position` is for the caller, who knows the text's characters. */
export function refusalError(plan: RefusalPlan, position?: number): RouterError {
  const rule = ruleOf(plan.id as RefusalId)
  const { detail: given = '' } = plan
  const isInMessage = rule.message.includes('%s')
  const detail = given === '' || isInMessage ? undefined : fill(rule.detail ?? '%s', given)
  return new RouterError(rule.sqlState, fill(rule.message, given), {
    hint: rule.hint,
    ...(detail === undefined ? {} : { detail }),
    ...(position === undefined ? {} : { position }),
  })
}
