/** Which tables of a benchmark are distributed, and how. Those not named stay local. */
export type Layout = {
  readonly name: string
  /** Tables and their distribution columns; the tables of a group are colocated. */
  readonly groups: readonly (readonly (readonly [table: string, column: string])[])[]
  readonly reference: readonly string[]
}

/** Few, so that a small test is quick; more than there are nodes. */
const SHARDS = 4

export function layoutStatements({ groups, reference }: Layout): readonly string[] {
  return [
    `SET citus.shard_count = ${SHARDS}`,
    ...groups.flatMap((group) =>
      group.map(([table, column], index) => {
        const other = index === 0 ? 'none' : group[0]?.[0]
        return `SELECT create_distributed_table('${table}', '${column}', colocate_with => '${other}')`
      }),
    ),
    ...reference.map((table) => `SELECT create_reference_table('${table}')`),
  ]
}

/** The same tables, each distributed by its own key alone: no two colocated. */
function scattered({ groups }: Layout, others: Layout['groups']): Layout {
  return {
    name: 'scattered',
    groups: [...groups.flat(), ...others.flat()].map((one) => [one]),
    reference: [],
  }
}

const TPCH: Layout = {
  name: 'colocated',
  groups: [
    [
      ['orders', 'o_orderkey'],
      ['lineitem', 'l_orderkey'],
    ],
    [['customer', 'c_custkey']],
    [
      ['part', 'p_partkey'],
      ['partsupp', 'ps_partkey'],
    ],
  ],
  reference: ['supplier', 'nation', 'region'],
}

export const TPCH_LAYOUTS: readonly Layout[] = [
  TPCH,
  scattered(TPCH, [[['supplier', 's_suppkey']], [['nation', 'n_nationkey']]]),
]

export const CLICKBENCH_LAYOUTS: readonly Layout[] = [
  { name: 'by_user', groups: [[['hits', 'userid']]], reference: [] },
  { name: 'by_watch', groups: [[['hits', 'watchid']]], reference: [] },
]

const TPCDS: Layout = {
  name: 'colocated',
  groups: [
    [
      ['item', 'i_item_sk'],
      ['store_sales', 'ss_item_sk'],
      ['store_returns', 'sr_item_sk'],
      ['catalog_sales', 'cs_item_sk'],
      ['catalog_returns', 'cr_item_sk'],
      ['web_sales', 'ws_item_sk'],
      ['web_returns', 'wr_item_sk'],
      ['inventory', 'inv_item_sk'],
    ],
    [['customer', 'c_customer_sk']],
  ],
  reference: (
    'date_dim time_dim customer_address customer_demographics household_demographics income_band store call_center ' +
    'catalog_page warehouse web_site web_page promotion reason ship_mode'
  ).split(' '),
}

export const TPCDS_LAYOUTS: readonly Layout[] = [
  TPCDS,
  scattered(TPCDS, [
    [['customer_address', 'ca_address_sk']],
    [['date_dim', 'd_date_sk']],
    [['store', 's_store_sk']],
  ]),
]
