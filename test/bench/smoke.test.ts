import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { BenchResult } from '../../bench/result-file.ts'
import { temporaryDirectory } from '../support/postgres-cluster.ts'
import { projectPath } from '../support/project.ts'
import { hasProgram } from '../support/psql.ts'

const MISSING =
  'pgbench is not installed: the benchmark harness is NOT tested (apt-get install postgresql-contrib)'

t.test(
  'one second of point reads through each system',
  { skip: hasProgram('pgbench', '--version') ? false : MISSING, timeout: 600_000 },
  async (t) => {
    const out = temporaryDirectory(t)
    const choice = ['--scenario', 'select-only', '--protocol', 'prepared', '--clients', '4']
    const length = ['--rounds', '1', '--seconds', '1', '--scale', '1', '--out', out]
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [projectPath('dist/bench/main.js'), ...choice, ...length],
      // tap's loader would be in every process that is measured.
      { env: { ...process.env, NODE_OPTIONS: '' } },
    )
    t.match(stdout, /^\| pgloom +\| +[1-9]\d* tps/m)
    const file = readdirSync(out).find((name) => name.endsWith('.json')) ?? ''
    const result = JSON.parse(readFileSync(join(out, file), 'utf8')) as BenchResult
    const turns = result.cases[0]?.turns ?? []
    t.same(
      turns.filter(({ system }) => system !== 'pgbouncer').map(({ system }) => system),
      ['direct', 'pgloom'],
    )
    for (const { system, figures, failure } of turns) {
      if (failure?.includes('prepared statements') === true) continue
      t.ok((figures?.throughput ?? 0) > 0, `${system} has a throughput: ${failure ?? 'yes'}`)
    }
  },
)
