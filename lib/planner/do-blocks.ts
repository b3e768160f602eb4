import type { Tree } from './tree.ts'

/** What a DO block may leave behind in its session; rather too much than too little. */
const LASTING =
  /\b(?:set(?!\s+local\b)|set_config|reset|discard|listen|temp|temporary|pg_(?:try_)?advisory_lock)/i

/** Whose names have a prefix: Postgres lists all others. */
const CUSTOM_SETTING =
  /\bset_config\s*\(\s*'([^']+\.[^']+)'|\b(?:set|reset)\s+(?:session\s+|local\s+)?([a-z_]\w*\.[\w.]+)/gi

export function mayLast(block: Tree): boolean {
  return LASTING.test(JSON.stringify(block).replaceAll(/\\[nrt]/g, ' '))
}

/** Settings with a prefix whose names can be read in a DO block. */
export function customSettings(block: Tree): readonly string[] {
  const text = JSON.stringify(block).replaceAll(/\\[nrt]/g, ' ')
  return [...text.matchAll(CUSTOM_SETTING)].map(([, called, set]) => called ?? set ?? '')
}
