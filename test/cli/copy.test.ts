import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { expectPlainFailure, namesIn, setMtime, writeOverlay } from './scene.js'

function makeDirectory(): { cwd: string; run: (line: string) => ReturnType<typeof umlcow> } {
  const cwd = temporaryDirectory()
  writeFileSync(path.join(cwd, 'root_fs'), Buffer.alloc(4096, 'backing '))
  setMtime(path.join(cwd, 'root_fs'))
  writeOverlay(path.join(cwd, 'cow'), { virtualSize: 4096, backing: 'root_fs' })
  mkdirSync(path.join(cwd, 'new'))
  return { cwd, run: (line) => umlcow(['copy', '--no-sync', ...line.split(' ')], { cwd }) }
}

describe('copy', () => {
  it('prints what it copied and warns, and with -q prints nothing', () => {
    const { cwd, run } = makeDirectory()
    const outcome = run('cow root_fs new')
    expect(outcome.status).toBe(0)
    expect(outcome.stdout).toMatch(
      /^new\/cow: copy of cow, .* stored; its backing file is now "\.\.\/root_fs"\nnew\/root_fs: copy of root_fs, 4 KiB, 4 KiB stored\n$/,
    )
    expect(outcome.stderr).toMatch(/^umlcow: .*root_fs: is the backing file of .*cow; .*-p keeps the time\n$/m)
    expect(run('-q -p --overwrite root_fs new/copy')).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(path.join(cwd, 'new/copy')).equals(readFileSync(path.join(cwd, 'root_fs')))).toBe(true)
  })

  it('does nothing in a dry run', () => {
    const { cwd, run } = makeDirectory()
    expect(run('-n cow absent').stdout).toMatch(/^absent: would be a copy of cow, [^;]*\n$/)
    expect(namesIn(cwd)).toEqual(['cow', 'new', 'root_fs'])
  })

  it.each([
    ['root_fs', 64],
    ['- out', 64],
    ['root_fs -', 64],
    ['--sparse=never --reflink=always root_fs out', 64],
    ['--force=mtime root_fs out', 64],
    ['root_fs root_fs', 4],
    ['root_fs cow absent', 4],
    ['new out', 1],
  ])('%s: status %i', (line, status) => {
    const { cwd, run } = makeDirectory()
    expectPlainFailure(run(line), status)
    expect(namesIn(cwd)).toEqual(['cow', 'new', 'root_fs'])
  })
})
