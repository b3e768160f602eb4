import { execFile, execFileSync } from 'node:child_process'

/** Environment that would change what psql prints or where it connects. */
const NEUTRAL = {
  PGOPTIONS: '',
  PGTZ: 'UTC',
  PGCLIENTENCODING: 'UTF8',
  PSQLRC: '/dev/null',
  NODE_OPTIONS: '',
}

export function hasProgram(name: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(name, [...args], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export type PsqlRun = { readonly stdout: string; readonly stderr: string; readonly code: number }

/** Runs a script as a user would: `psql -X -qAt -v ON_ERROR_STOP=1`, the script on its standard input. */
export function runPsql(
  url: string,
  script: string,
  args: readonly string[] = [],
): Promise<PsqlRun> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'psql',
      ['-X', '-qAt', '-v', 'ON_ERROR_STOP=1', ...args, '-d', url],
      { env: { ...process.env, ...NEUTRAL }, maxBuffer: 1 << 28 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error)
        else resolve({ stdout, stderr, code: Number(error?.code ?? 0) })
      },
    )
    child.stdin?.end(script)
  })
}
