/** One Postgres without anything of ours: what every answer of the proxy is compared with. */
export type StockPostgres = {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** PGLOOM_TEST_STOCK names an empty database of a running server to use instead of a server of our own. */
export async function startStockPostgres(): Promise<StockPostgres> {
  const { PGLOOM_TEST_STOCK: running } = process.env
  if (running !== undefined) return { url: running, stop: async () => undefined }
  throw new Error('set PGLOOM_TEST_STOCK')
}
