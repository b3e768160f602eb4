import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

/**
 * The floors of lib/, ground floor first. A file may import from its own folder and from
 * any floor below; never from the same floor's other folders, never from above.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['wire', 'sql', 'embedded'],
  ['catalog'],
  ['planner', 'backend'],
  ['executor'],
  ['auth'],
  ['session', 'control'],
  ['ops', 'console'],
  ['config', 'processes'],
  ['proxy'],
  ['commands'],
  // main.ts
  [''],
]

const LIB = resolve('lib')
const IMPORT = /^\s*(?:import|export)\b[^'"]*from\s+['"](\.[^'"]+)['"]/gm

function floorOf(path: string): number {
  const [folder = '', ...rest] = relative(LIB, path).split('/')
  return FLOORS.findIndex((floor) => floor.includes(rest.length === 0 ? '' : folder))
}

function folderOf(path: string): string {
  return relative(LIB, path).split('/')[0] ?? ''
}

function violations(): string[] {
  const found: string[] = []
  for (const name of readdirSync(LIB, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const file = join(LIB, name)
    for (const [, specifier = ''] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      const target = resolve(dirname(file), specifier)
      const sameFolder =
        dirname(file) === LIB ? dirname(target) === LIB : folderOf(file) === folderOf(target)
      if (!sameFolder && floorOf(target) >= floorOf(file)) {
        found.push(`${relative(LIB, file)} -> ${relative(LIB, target)}`)
      }
    }
  }
  return found
}

t.test('lib/ imports point down, floor by floor', async (t) => {
  t.same(violations(), [])
})
