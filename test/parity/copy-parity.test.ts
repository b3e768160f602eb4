import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { projectPath } from '../support/project.ts'
import { RawClient } from '../support/raw-client.ts'
import { ClusterPair, loadScript } from './cluster-pair.ts'
import { type CopyCase, cut, runCopy } from './copy/copy-case.ts'
import { LISTED, NULL_KEYS } from './copy/listed-cases.ts'
import { randomCase } from './copy/random-cases.ts'
import { Random } from './random/random.ts'

/**
 * COPY FROM STDIN of hostile data on one stock Postgres and through a cluster: the same rows, or the same error on the same line.
 * PGLOOM_COPY_SEED and PGLOOM_COPY_CASES change the random part.
 */
const { PGLOOM_COPY_SEED = '20261121', PGLOOM_COPY_CASES = '80' } = process.env
const seed = Number(PGLOOM_COPY_SEED)

t.setTimeout(600_000)

t.test('COPY FROM STDIN takes and refuses what one stock Postgres does', async (t) => {
  const pair = await ClusterPair.start(t, 2)
  await loadScript(pair, readFileSync(projectPath('test', 'parity', 'copy', 'tables.sql'), 'utf8'))

  const compare = async (copy: CopyCase): Promise<boolean> => {
    const stock = await runCopy(pair.stock, copy)
    const proxy = await runCopy(pair.proxy, copy)
    const isSame = isDeepStrictEqual(proxy, stock)
    if (!isSame) t.same(proxy, stock, `${copy.name} (${copy.options ?? 'text'})`)
    return isSame
  }

  await t.test('listed data', async (t) => {
    let same = 0
    for (const copy of LISTED) {
      const random = Random.of(seed, same)
      const data = Buffer.concat(copy.pieces)
      const pieces = random.chance(60) ? cut(data, (n) => random.below(n)) : copy.pieces
      if (await compare({ ...copy, pieces })) same++
    }
    t.equal(same, LISTED.length)
  })

  await t.test(`random data, seed ${seed}`, async (t) => {
    let same = 0
    for (let index = 0; index < Number(PGLOOM_COPY_CASES); index++) {
      if (await compare(randomCase(seed, index))) same++
    }
    t.equal(same, Number(PGLOOM_COPY_CASES))
  })

  await t.test('a NULL key has no shard', async (t) => {
    for (const copy of NULL_KEYS) {
      const { error } = await pair.proxy.copyIn(
        `COPY by_int ${copy.columns ?? ''} FROM STDIN WITH (${copy.options ?? 'FORMAT text'})`,
        copy.pieces,
      )
      t.equal(error?.sqlState, '22004')
    }
    t.equal(await pair.proxy.value('SELECT count(*) FROM by_int'), '0')
  })

  await t.test('more than is gathered at once', async (t) => {
    const rows = (count: number, bad: number) =>
      Buffer.from(
        Array.from(
          { length: count },
          (_, i) => `${i % 900}\t${i === bad ? 'x' : i * 7}\trow ${i}\n`,
        ).join(''),
      )
    for (const bad of [-1, 99_990]) {
      const data = rows(100_000, bad)
      const pieces = cut(data, () => 60_000)
      t.ok(await compare({ name: `large, ${bad}`, table: 'by_int', pieces }))
    }
  })

  await t.test('what is committed stays', async (t) => {
    const { error } = await pair.proxy.copyIn('COPY by_int FROM STDIN', [
      Buffer.from('1\t1\ta\n2\tx\n'),
    ])
    t.equal(error?.sqlState, '22P02')
    t.equal(await pair.proxy.value('SELECT count(*) FROM by_int'), '0')
    const rows = Buffer.from(Array.from({ length: 500 }, (_, i) => `${i}\t${i}\ta\n`).join(''))
    const { results } = await pair.proxy.copyIn('COPY by_int FROM STDIN', [rows])
    t.equal(results[0]?.tag, 'COPY 500')
    t.equal(await pair.proxy.value('SELECT count(*) FROM by_int WHERE n = k'), '500')
    const leaving = await RawClient.connect(pair.proxyUrl)
    const left = leaving.copyIn('COPY by_int FROM STDIN', [rows], 'never mind')
    t.equal((await left).error?.message, 'COPY from stdin failed: never mind')
    const copying = leaving.simple('COPY by_int FROM STDIN')
    leaving.send(Buffer.concat([Buffer.from([0x64, 0, 0, 0, 4 + 8]), Buffer.from('7\t7\tx\n8')]))
    leaving.destroy()
    await copying.catch(() => undefined)
    t.equal(await pair.proxy.value('SELECT count(*) FROM by_int'), '500')
    await pair.proxy.run('DELETE FROM by_int')
  })

  await t.test('a transaction sees its own rows, and takes them back', async (t) => {
    for (const client of [pair.stock, pair.proxy]) {
      await client.run('BEGIN')
      await client.copyIn('COPY by_int FROM STDIN', [Buffer.from('1\t1\ta\n2\t2\tb\n')])
      await client.run('SAVEPOINT before')
      const { error } = await client.copyIn('COPY by_int FROM STDIN', [
        Buffer.from('3\t3\tc\n4\tx\n'),
      ])
      t.equal(error?.context, 'COPY by_int, line 2, column k: "x"')
      await client.run('ROLLBACK TO before')
      t.equal(await client.value('SELECT count(*) FROM by_int'), '2')
      await client.copyIn('COPY by_int FROM STDIN', [Buffer.from('5\t5\te\n')])
      t.equal(await client.value('SELECT string_agg(t, NULL ORDER BY k) FROM by_int'), 'abe')
      await client.run('ROLLBACK')
      t.equal(await client.value('SELECT count(*) FROM by_int'), '0')
    }
  })
})
