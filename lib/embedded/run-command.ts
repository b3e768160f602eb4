import { execFile } from 'node:child_process'
import { runAs, type ServerAccount } from './server-account.ts'

/**
 * Runs a program of Postgres to its end as the servers' account, and returns its standard output.
 * Throws with its standard error, also after `timeoutMs`.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  account: ServerAccount | undefined,
  timeoutMs = 120_000,
): Promise<string> {
  const options = { ...runAs(account), env: serverEnvironment(), cwd: '/', timeout: timeoutMs }
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const said = stderr.trim() || error.message
      reject(new Error(`${file} failed: ${said}`, { cause: error }))
    })
  })
}

/** Our environment without what would steer Postgres behind our back (PGDATA, PGPORT, LC_ALL ...). */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(PG|LC_|LANG|NODE_OPTIONS$|TAP)/.test(name),
  )
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}
