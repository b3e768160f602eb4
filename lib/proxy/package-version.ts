import { readFileSync } from 'node:fs'

/** Of package.json. */
export function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url)
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return (manifest as { readonly version: string }).version
}
