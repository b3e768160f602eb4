import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { describePlan } from '../../lib/planner/describe-plan.ts'
import { plan } from './fixture.ts'

/** dist/test/planner -> test/plans */
const FOLDER = new URL('../../../test/plans/', import.meta.url)
/** With PGLOOM_UPDATE_PLANS=1 the files are written anew: read the difference before it is committed. */
const isUpdate = process.env['PGLOOM_UPDATE_PLANS'] === '1'

/** A case: comment lines `# …`, the statement, then its plan in lines `= …`; blank lines between cases. */
function describe(block: string): string {
  const lines = block.split('\n').filter((line) => line !== '' && !line.startsWith('='))
  const sql = lines.filter((line) => !line.startsWith('#')).join('\n')
  const planned = describePlan(plan(sql), Buffer.from(sql))
  const described = planned.split('\n').map((line) => `= ${line}`.trimEnd())
  return [...lines, ...described].join('\n')
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  t.test(file, async (t) => {
    const url = new URL(file, FOLDER)
    const blocks = readFileSync(url, 'utf8')
      .trim()
      .split(/\n{2,}/)
    if (isUpdate) writeFileSync(url, `${blocks.map(describe).join('\n\n')}\n`)
    else for (const block of blocks) t.equal(describe(block), block, block.slice(0, 60))
  })
}
