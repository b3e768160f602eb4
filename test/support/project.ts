import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder, seen from dist/test/support/. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The path of a file of the project, also of those that the compiler doesn't copy to dist/. */
export function projectPath(...parts: readonly string[]): string {
  return join(ROOT, ...parts)
}

/** Tests that only run their full length when asked for; `fallback` is the length of a plain npm test. */
export function secondsFromEnv(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} must be a positive number`)
  return value
}
