import pg from 'pg'

type Address = { readonly host: string; readonly port: number }

/** An ordinary owner, so that what works here works on a managed server; roles' passwords aren't asked for here. */
const APP_ROLE = `CREATE ROLE app LOGIN CREATEDB CREATEROLE REPLICATION`

/** Role `app` and a database of its own. As owner it may create in schema public (through pg_database_owner). */
export async function prepareDatabase(address: Address, database: string): Promise<void> {
  const { host, port } = address
  const client = new pg.Client({ host, port, user: 'postgres', database: 'postgres', password: '' })
  await client.connect()
  try {
    const roles = await client.query(`SELECT FROM pg_roles WHERE rolname = 'app'`)
    if (roles.rowCount === 0) await client.query(APP_ROLE)
    const databases = await client.query('SELECT FROM pg_database WHERE datname = $1', [database])
    if (databases.rowCount === 0) {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)} OWNER app`)
    }
  } finally {
    await client.end()
  }
}
