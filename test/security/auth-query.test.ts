import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { AuthQuery } from '../../lib/auth/auth-query.ts'
import { readHbaRules } from '../../lib/auth/hba-file.ts'
import { QUESTION_PARAMETERS } from '../../lib/auth/question-lines.ts'
import { RoleQuery } from '../../lib/auth/role-query.ts'
import { connectBackend } from '../../lib/backend/backend-handshake.ts'
import { Log } from '../../lib/base/log.ts'
import type { EmbeddedNode } from '../../lib/embedded/embedded-node.ts'
import { query } from '../../lib/executor/node-client.ts'
import { authenticationBy } from '../support/authentication.ts'
import { localProxy, TRUST } from '../support/local-proxy.ts'
import { logIn } from '../support/login-dialogue.ts'
import { referencePostgres } from '../support/postgres-cluster.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000

/** As auth.auth_query has it by default. */
const DEFAULT_QUERY = `SELECT rolname, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END
  FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin`

const ROLES = `
SET password_encryption = 'scram-sha-256';
CREATE ROLE alice LOGIN PASSWORD 'secret';
CREATE ROLE expired LOGIN PASSWORD 'secret' VALID UNTIL '2001-01-01';
CREATE ROLE retired NOLOGIN PASSWORD 'secret';
CREATE ROLE bare LOGIN;
SET password_encryption = 'md5';
CREATE ROLE older LOGIN PASSWORD 'secret';
`

async function asSuperuser(node: EmbeddedNode, sql: string): Promise<void> {
  const { host, port } = node
  const client = new pg.Client({ host, port, user: 'postgres', database: 'app' })
  await client.connect()
  await client.query(sql)
  await client.end()
}

/** From now on the server wants a proof of everyone but its superuser. */
async function demandPasswords(node: EmbeddedNode): Promise<void> {
  const rules =
    'host all postgres all trust\nhost all older all md5\nhost all all all scram-sha-256\n'
  writeFileSync(join(node.dataDirectory, 'pg_hba.conf'), rules)
  await asSuperuser(node, 'SELECT pg_reload_conf()')
  await until('the rules are in force', DEADLINE_MS, async () => {
    const { host, port } = node
    const stranger = new pg.Client({ host, port, user: 'bare', database: 'app', password: 'x' })
    const end = await stranger.connect().catch((error: unknown) => error)
    await stranger.end().catch(() => undefined)
    return end instanceof pg.DatabaseError && end.code === '28P01'
  })
}

function lookupIn(node: EmbeddedNode, sql = DEFAULT_QUERY, port = node.port): AuthQuery {
  const target = {
    key: 'app',
    sql,
    connect: () =>
      connectBackend({
        node: { nodeId: 1, host: node.host, port },
        database: 'app',
        user: 'postgres',
        parameters: QUESTION_PARAMETERS,
        connectTimeoutMs: 60_000,
        allowsCleartextPassword: false,
      }),
  }
  const log = new Log('error', {}, () => undefined)
  const targetOf = (name: string) => (name === 'app' ? target : undefined)
  return new AuthQuery({ targetOf, log, cacheMs: 600_000 })
}

type Client = { readonly user: string; readonly password: string; readonly options?: string }

/** The user's name as the server knows it, or the SQLSTATE with which the client was refused. */
async function whoAmI(port: number, client: Client): Promise<string> {
  const connection = new pg.Client({ host: '127.0.0.1', port, database: 'app', ...client })
  connection.on('error', () => undefined)
  try {
    await connection.connect()
    const { rows } = await connection.query<{ name: string }>('SELECT current_user AS name')
    return rows[0]?.name ?? ''
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? '') : String(error)
  } finally {
    await connection.end().catch(() => undefined)
  }
}

t.test('users by auth_query', async (t) => {
  const node = await referencePostgres(t)
  await asSuperuser(node, ROLES)
  await demandPasswords(node)
  const proxy = async (lookup: AuthQuery, method: 'md5' | 'scram-sha-256' = 'scram-sha-256') => {
    t.teardown(() => lookup.close())
    return await localProxy(t, node, authenticationBy(method, {}, { lookup }))
  }
  const password = 'secret'

  t.test('log in to servers with what they have proved: no password is stored', async (t) => {
    const port = await proxy(lookupIn(node))
    t.equal(await whoAmI(port, { user: 'alice', password }), 'alice')
    t.equal(await whoAmI(port, { user: 'alice', password: 'wrong' }), '28P01')
    t.equal(await whoAmI(port, { user: 'nobody', password }), '28P01')
    t.equal(await whoAmI(port, { user: 'bare', password }), '28P01', 'who has no password')
    const md5 = await proxy(lookupIn(node), 'md5')
    t.equal(await whoAmI(md5, { user: 'older', password }), 'older', 'by md5 too')
    t.equal(await whoAmI(md5, { user: 'older', password: 'wrong' }), '28P01')
  })

  t.test('CVE-2025-46801: a warm pool does not let a wrong password in', async (t) => {
    const port = await proxy(lookupIn(node))
    const first = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'alice',
      database: 'app',
      password,
    })
    await first.connect()
    await first.query('SELECT 1')
    t.equal(await whoAmI(port, { user: 'alice', password: 'wrong' }), '28P01')
    t.equal(await whoAmI(port, { user: 'alice', password }), 'alice')
    await first.end()
    t.equal(await whoAmI(port, { user: 'alice', password: 'wrong' }), '28P01')
  })

  t.test('CVE-2025-2291: passwords that have expired and roles that may not log in', async (t) => {
    const port = await proxy(lookupIn(node))
    t.equal(await whoAmI(port, { user: 'expired', password }), '28P01')
    t.equal(await whoAmI(port, { user: 'retired', password }), '28P01')
  })

  t.test(
    'CVE-2025-12819: nothing of the client reaches the connection of auth_query',
    async (t) => {
      await asSuperuser(
        node,
        `CREATE SCHEMA evil;
       CREATE TABLE evil.log (who text);
       CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS
         $$ INSERT INTO evil.log VALUES (current_user); SELECT pg_catalog.now() $$;
       GRANT USAGE ON SCHEMA evil TO PUBLIC;`,
      )
      const sql = `SELECT rolname, CASE WHEN now() > '2001-01-01' THEN rolpassword END
      FROM pg_authid WHERE rolname = $1`
      const port = await proxy(lookupIn(node, sql))
      const end = await logIn(port, {
        user: 'alice',
        secret: 'secret',
        parameters: { search_path: 'evil', options: '-c search_path=evil,pg_catalog' },
      })
      t.equal(end.error, undefined, 'the login itself is fine')
      const { host } = node
      const connection = await connectBackend({
        node: { nodeId: 1, host, port: node.port },
        database: 'app',
        user: 'postgres',
        parameters: QUESTION_PARAMETERS,
        connectTimeoutMs: 60_000,
        allowsCleartextPassword: false,
      })
      t.teardown(() => connection.close())
      t.same((await query(connection, 'SELECT count(*) FROM evil.log')).rows, [['0']])
      t.same((await query(connection, 'SHOW search_path')).rows, [['pg_catalog']])
    },
  )

  t.test('CVE-2015-6817: a lookup that fails lets nobody in, least of all auth_user', async (t) => {
    const queries = [
      'SELECT',
      'no SQL at all',
      'SELECT no_such_function($1)',
      'SELECT $1, NULL',
      // of somebody else, or of several
      `SELECT 'mallory', (SELECT rolpassword FROM pg_authid WHERE rolname = 'alice') WHERE $1 <> ''`,
      'SELECT $1, rolpassword FROM pg_authid',
      "SELECT 'x', $1 WHERE false",
    ]
    for (const sql of queries) {
      const port = await proxy(lookupIn(node, sql))
      for (const user of ['alice', 'postgres', 'nobody']) {
        t.equal(await whoAmI(port, { user, password }), '28P01', `${user}: ${sql.slice(0, 40)}`)
      }
    }
    const port = await proxy(lookupIn(node, DEFAULT_QUERY, 1))
    const { error } = await logIn(port, { user: 'alice', secret: password })
    t.same(error, { sqlState: '57P03', message: 'users cannot be looked up at the moment' })
  })

  t.test('a name that the server would cut off finds nobody', async (t) => {
    const long = 'a'.repeat(63)
    await asSuperuser(node, `CREATE ROLE ${long} SUPERUSER LOGIN PASSWORD 'secret'`)
    const port = await proxy(lookupIn(node))
    t.match((await logIn(port, { user: `${long}b`, secret: password })).error, {
      sqlState: '28P01',
    })
  })

  t.test('Multigres, stale keys: a new password holds after one failure', async (t) => {
    const port = await proxy(lookupIn(node))
    t.equal(await whoAmI(port, { user: 'alice', password }), 'alice')
    await asSuperuser(
      node,
      `SET password_encryption = 'scram-sha-256'; ALTER ROLE alice PASSWORD 'new'`,
    )
    t.equal(await whoAmI(port, { user: 'alice', password: 'new' }), '28P01', 'the cache is short')
    t.equal(await whoAmI(port, { user: 'alice', password: 'new' }), 'alice')
    t.equal(await whoAmI(port, { user: 'alice', password }), '28P01', 'the old one is gone')
  })
})

t.test('members of roles', async (t) => {
  const node = await referencePostgres(t)
  await asSuperuser(
    node,
    `CREATE ROLE staff; CREATE ROLE sales IN ROLE staff;
     CREATE ROLE ann LOGIN IN ROLE sales; CREATE ROLE boss LOGIN SUPERUSER;`,
  )
  const { host, port } = node
  const target = {
    key: 'app',
    connect: () =>
      connectBackend({
        node: { nodeId: 1, host, port },
        database: 'app',
        user: 'app',
        parameters: QUESTION_PARAMETERS,
        connectTimeoutMs: 60_000,
        allowsCleartextPassword: false,
      }),
  }
  const log = new Log('error', {}, () => undefined)
  const targetOf = (name: string) => (name === 'app' ? target : undefined)
  const roles = new RoleQuery({ targetOf, log })
  t.teardown(() => roles.close())
  t.same([...(await roles.rolesOf('ann', 'app'))].sort(), ['ann', 'sales', 'staff'])
  t.same([...(await roles.rolesOf('boss', 'app'))], ['boss'], 'a superuser is not of all roles')
  t.equal((await roles.rolesOf('nobody', 'app')).size, 0)
  t.equal((await roles.rolesOf(`${'n'.repeat(70)}`, 'app')).size, 0)
  await t.rejects(roles.rolesOf('ann', 'other'), { message: 'there is no auth_user' })

  t.test('decide who comes in, and by which method', async (t) => {
    const rules = readHbaRules('host all +sales all trust\nhost all all all reject', 'x')
    const options = { ...TRUST, rules, roleLookup: roles }
    const proxy = await localProxy(t, node, options)
    t.equal(await whoAmI(proxy, { user: 'ann', password: '' }), 'ann')
    t.equal(await whoAmI(proxy, { user: 'boss', password: '' }), '28000')
    const broken = { ...options, roleLookup: TRUST.roleLookup }
    const closed = await localProxy(t, node, broken)
    t.equal(await whoAmI(closed, { user: 'ann', password: '' }), '57P03', 'nobody can be asked')
  })
})
