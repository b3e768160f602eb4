import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** pgbench reads scripts from files only. Equal texts share one. */
export function writeScript(directory: string, name: string, script: string): string {
  const digest = createHash('sha256').update(script).digest('hex').slice(0, 8)
  const file = join(directory, `${name}-${digest}.sql`)
  writeFileSync(file, script)
  return file
}
