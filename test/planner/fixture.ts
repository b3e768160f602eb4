import {
  type Catalog,
  type ClusterTable,
  type ClusterView,
  type Column,
  type DistributedTable,
  type ReferenceTable,
  tableKey,
} from '../../lib/catalog/catalog.ts'
import type { Plan } from '../../lib/planner/plan.ts'
import { planStatement } from '../../lib/planner/planner.ts'
import { Refusal } from '../../lib/planner/refusals.ts'
import type { Tree } from '../../lib/planner/tree.ts'
import { expandViews } from '../../lib/planner/views/view-expansion.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'

const OIDS: Readonly<Record<string, number>> = {
  int4: 23,
  int8: 20,
  text: 25,
  varchar: 1043,
  jsonb: 3802,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  date: 1082,
  inet: 869,
  'text[]': 1009,
  mood: 60_001,
}

/** `name type flags`: `!` has a default, `C` has collation "C". */
function columns(definition: string): readonly Column[] {
  return definition.split(',').map((item, index) => {
    const [name = '', type = '', flags = ''] = item.trim().split(' ')
    return {
      name,
      attributeNumber: index + 1,
      typeOid: OIDS[type] ?? 0,
      typeModifier: -1,
      typeName: type,
      collation: flags.includes('C') ? 'pg_catalog."C"' : undefined,
      isNotNull: false,
      hasDefault: flags.includes('!'),
      isGenerated: false,
    }
  })
}

let nextOid = 16384

function base(
  name: string,
  definition: string,
  colocationId: number,
  primaryKey: readonly string[],
) {
  nextOid += 1
  return {
    oid: nextOid,
    schema: 'public',
    name,
    columns: columns(definition),
    colocationId,
    primaryKey,
    hasTriggers: false,
  }
}

function distributed(
  name: string,
  key: string,
  definition: string,
  primaryKey: readonly string[],
  colocationId = 1,
): DistributedTable {
  const table = base(name, definition, colocationId, primaryKey)
  const distributionColumn = table.columns.find((column) => column.name === key)
  if (distributionColumn === undefined) throw new Error(key)
  const shards = [0, 1].map((index) => ({
    shardId: 102008 + index,
    index,
    minHash: index === 0 ? -2147483648 : 0,
    maxHash: index === 0 ? -1 : 2147483647,
    nodeId: index + 1,
    schema: `pgloom_${index + 1}`,
  }))
  return { ...table, kind: 'distributed', distributionColumn, shards }
}

function reference(
  name: string,
  definition: string,
  primaryKey: readonly string[],
): ReferenceTable {
  return { ...base(name, definition, 99, primaryKey), kind: 'reference', shardId: 1 }
}

const TABLES: readonly ClusterTable[] = [
  distributed(
    'events',
    'tenant_id',
    'tenant_id int4, event_id int8 !, event_type varchar, event_data jsonb, created_at timestamp !',
    ['tenant_id', 'event_id'],
  ),
  distributed('tenants', 'tenant_id', 'tenant_id int4, name varchar, plan varchar', ['tenant_id']),
  distributed('users', 'tenant_id', 'user_id int4 !, tenant_id int4, email varchar', [
    'tenant_id',
    'user_id',
  ]),
  distributed(
    'orders',
    'tenant_id',
    'order_id int4 !, tenant_id int4, user_id int4, total numeric',
    ['tenant_id', 'order_id'],
  ),
  distributed(
    'events_daily',
    'tenant_id',
    'tenant_id int4, day date, event_type varchar, event_count int8',
    ['tenant_id', 'day', 'event_type'],
  ),
  distributed(
    'companies',
    'id',
    'id int8 !, name text, image_url text, created_at timestamptz !, updated_at timestamptz !',
    ['id'],
    2,
  ),
  distributed(
    'campaigns',
    'company_id',
    'id int8 !, company_id int8, name text, cost_model text, state text, monthly_budget int8, blacklisted_site_urls text[], created_at timestamptz, updated_at timestamptz',
    ['company_id', 'id'],
    2,
  ),
  distributed(
    'ads',
    'company_id',
    'id int8 !, company_id int8, campaign_id int8, name text, image_url text, target_url text, impressions_count int8 !, clicks_count int8 !, created_at timestamptz, updated_at timestamptz',
    ['company_id', 'id'],
    2,
  ),
  distributed(
    'clicks',
    'company_id',
    'id int8 !, company_id int8, ad_id int8, clicked_at timestamp, site_url text, cost_per_click_usd numeric, user_ip inet, user_data jsonb',
    ['company_id', 'id'],
    2,
  ),
  distributed('metrics', 'device_id', 'device_id int8, value numeric', [], 3),
  distributed('notes', 'owner', 'owner text, note text C', [], 4),
  distributed('accounts', 'tenant_id', 'tenant_id int4, email text, note text', ['tenant_id'], 5),
  reference('countries', 'code varchar, name varchar', ['code']),
  reference('plain_countries', 'code varchar, name varchar', []),
  reference('feelings', 'mood mood, note text', []),
  reference('currencies', 'code text, added timestamptz !', ['code']),
]

const SOME_EVENTS: ClusterView = {
  oid: 30000,
  schema: 'public',
  name: 'some_events',
  columns: ['tenant_id', 'event_id'],
  definition:
    'SELECT events.tenant_id, events.event_id FROM public.events WHERE events.event_id > 5',
  owner: 'app',
  relationOids: [16385],
  updatable: 28,
  hasCheckOption: false,
  state: '',
}

const CHECKED_EVENTS: ClusterView = {
  ...SOME_EVENTS,
  oid: 30001,
  name: 'checked_events',
  hasCheckOption: true,
}

const CATALOG: Catalog = {
  database: 'app',
  version: 1,
  isInstalled: true,
  nodes: [
    { nodeId: 1, groupId: 0, host: 'a', port: 1, isActive: true, shouldHaveShards: false },
    { nodeId: 2, groupId: 1, host: 'b', port: 2, isActive: true, shouldHaveShards: true },
  ],
  tables: new Map(TABLES.map((table) => [tableKey(table.schema, table.name), table])),
  views: new Map(
    [SOME_EVENTS, CHECKED_EVENTS].map((view) => [tableKey('public', view.name), view]),
  ),
  shadowingRelations: new Set(),
  userCode: {
    writes: new Set(['audited']),
    reads: new Set(['audited_view']),
    functions: new Set(['initcap']),
    operators: new Set(['~~~']),
    ownOperators: new Set(['~~~']),
  },
  globalIndexes: TABLES.filter(({ name }) => name === 'accounts').map(({ oid }) => ({
    id: 1,
    name: 'accounts_email_key',
    tableOid: oid,
    schema: 'public',
    table: 'accounts',
    key: 'email',
    writtenThrough: [oid],
    columns: ['email'],
  })),
  shellOids: new Map(),
}

const parser = await ParserHost.create()

/** The plan of a statement over the scenarios' tables. */
export function plan(sql: string): Plan {
  const text = Buffer.from(sql)
  const statement = (parser.parse(text).stmts[0]?.stmt ?? {}) as Tree
  const expanded = expand(text, statement)
  if (expanded instanceof Refusal) return expanded.plan()
  if (expanded !== undefined) return plan(expanded.text.toString())
  return planStatement({
    text,
    statement,
    catalog: CATALOG,
    searchPath: ['public'],
    temporaryNames: new Set(),
    literals: plainLiterals(sql),
    parser,
  })
}

function expand(text: Buffer, statement: Tree) {
  const context = { catalog: CATALOG, searchPath: ['public'], temporaryNames: new Set<string>() }
  try {
    return expandViews(context, text, statement, parser)
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** Enough of a lexer for these statements: quoted strings and unsigned numbers. */
function plainLiterals(sql: string) {
  const found = [
    ...sql.matchAll(/'(?:[^']|'')*'|"[^"]*"|\$\d+|[A-Za-z_]\w*|\d+(?:\.\d+)?/g),
  ].filter(([token]) => /^['\d]/.test(token))
  return {
    count: found.length,
    starts: found.map(({ index }) => index),
    ends: found.map((match) => match.index + match[0].length),
  }
}
