import { Access } from './access.ts'
import { Log } from './base/log.ts'
import type { Config, ConfigDatabase } from './config/config.ts'
import { withOwnConnection } from './own-connection.ts'

/**
 * `pgloom check`: whether rules and certificates can be used, and the coordinator lets the metadata user in, for each database.
 * Rejects with the first that fails.
 */
export async function probeServers(config: Config): Promise<readonly string[]> {
  new Access(config, new Log('error')).close()
  const findings: string[] = []
  for (const database of config.databases.filter(({ sharded }) => sharded))
    findings.push(await probe(config, database))
  return findings
}

async function probe(config: Config, database: ConfigDatabase): Promise<string> {
  const { name, hosts, port } = database
  const where = `database ${name} of ${hosts[0]}:${port} as user ${config.metadata_user}`
  return await withOwnConnection(config, database, async (client) => {
    const { rows } = await client.query<{ version: string; prepared: string }>(
      `SELECT current_setting('server_version') AS version,
         current_setting('max_prepared_transactions') AS prepared`,
    )
    const [{ version, prepared } = { version: '', prepared: '' }] = rows
    const advice =
      prepared === '0' ? '; max_prepared_transactions is 0, so no write over several nodes' : ''
    return `${where}: Postgres ${version}${advice}`
  })
}
