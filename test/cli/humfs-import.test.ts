import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { writeTar } from '../../src/formats/tar/index.js'
import { commandPath, umlcow } from '../support/command.js'
import { bytesOf, collect, entry, itemsOf } from '../support/manifest-entries.js'
import { temporaryDirectory } from '../support/paths.js'

const directory = (name: string) => entry(name, { type: 'directory', mode: 0o755 })
const tarOf = (...entries: ReturnType<typeof entry>[]) => collect(writeTar(itemsOf([directory(''), ...entries])))

const importing = (...args: string[]) => ['humfs', 'import', '--from', 'tar', ...args]

describe('umlcow humfs import', () => {
  it('makes a tree that humfs check finds right, from a file and from standard input', async () => {
    const cwd = temporaryDirectory()
    writeFileSync(path.join(cwd, 'x.tar'), await tarOf(entry('f', { size: 5, mode: 0o4755, uid: 7 })))
    const ids = `${process.geteuid?.()}:${process.getegid?.()}`
    expect(umlcow(importing('--size', '1G', 'x.tar', 'made'), { cwd })).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(new RegExp(`^made: humfs of ${ids}, 2 entries, .* of 1 GiB used\\n$`)),
      stderr: '',
    })
    const input = readFileSync(path.join(cwd, 'x.tar'))
    expect(umlcow(importing('-q', '-', 'piped'), { cwd, input })).toMatchObject({ status: 0, stdout: '', stderr: '' })
    for (const name of ['made', 'piped']) {
      expect(umlcow(['humfs', 'check', name], { cwd })).toMatchObject({ status: 0, stderr: '' })
      expect(readFileSync(path.join(cwd, name, 'file_metadata/f'), 'latin1')).toBe('2541 7 0\n')
    }
    expect(readdirSync(cwd).sort()).toEqual(['made', 'piped', 'x.tar'])
  })

  it('tells all that humfs cannot hold, and makes nothing', async () => {
    const cwd = temporaryDirectory()
    const input = await tarOf(directory('metadata'), entry('\x1b[2J'.repeat(80)))
    const outcome = umlcow(importing('-', 'made'), { cwd, input })
    expect(outcome).toMatchObject({ status: 4, stdout: '' })
    expect(outcome.stderr).toMatch(
      /^umlcow: data\/metadata: a directory .*\numlcow: data\/\\x1b.*: its name takes 320 bytes/,
    )
    expect(readdirSync(cwd)).toEqual([])
    // Whatever is in the directory where it is looked at.
    mkdirSync(path.join(cwd, 'humfs/full'), { recursive: true })
    expect(umlcow(importing('-n', '-'), { cwd, input })).toMatchObject({ status: 4, stderr: outcome.stderr })
    const renamed = umlcow(importing('--rename-metadata', '.d', '-n', '-'), {
      cwd,
      input: await tarOf(directory('metadata')),
    })
    expect(renamed).toMatchObject({ status: 0, stdout: 'humfs can hold all 2 entries\n' })
  })

  it('takes the later of two entries of one name, or refuses them', async () => {
    const cwd = temporaryDirectory()
    const input = await tarOf(entry('f', { size: 1 }), entry('f', { size: 2 }))
    const refused = umlcow(importing('--duplicates=refuse', '-', 'made'), { cwd, input })
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toBe(
      'umlcow: standard input: f: occurs twice\numlcow: with --duplicates=last, the later entry counts\n',
    )
    expect(readdirSync(cwd)).toEqual([])
    expect(umlcow(importing('-', 'made'), { cwd, input })).toMatchObject({ status: 0 })
    expect(readFileSync(path.join(cwd, 'made/data/f'), 'latin1')).toBe('ff')
  })

  it.each<[string, number, () => Promise<Uint8Array> | Uint8Array]>([
    ['what is no archive', 63, () => Buffer.alloc(2000, 'x')],
    ['nothing', 1, () => Buffer.alloc(0)],
    ['an archive that is cut short', 1, async () => (await tarOf(entry('f', { size: 5000 }))).subarray(0, 2000)],
    [
      'a file behind a link',
      1,
      () => tarOf(entry('l', { type: 'symlink', linkTarget: bytesOf('/tmp') }), entry('l/f')),
    ],
    ['the same name with two types', 1, () => tarOf(entry('f'), directory('f'))],
    ['a compressed archive', 63, async () => gzipSync(await tarOf(entry('f')))],
  ])('fails with %s, and makes nothing', async (_, status, input) => {
    const cwd = temporaryDirectory()
    const outcome = umlcow(importing('-', 'made'), { cwd, input: await input() })
    expect(outcome).toMatchObject({ status, stdout: '' })
    expect(outcome.stderr).toMatch(/^umlcow: standard input: /)
    expect(outcome.stderr).not.toMatch(/\n\s+at /)
    expect(readdirSync(cwd)).toEqual([])
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while it waits for more leaves nothing', async (signal, status) => {
    const cwd = temporaryDirectory()
    const child = spawn(process.execPath, [commandPath, ...importing('-', 'made')], { cwd })
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.stdin.write((await tarOf(entry('f', { size: 100_000 }))).subarray(0, 50_000))
    while (!existsSync(path.join(cwd, '.umlcow-new-made/tree/data'))) await new Promise((done) => setTimeout(done, 10))
    child.kill(signal)
    expect(await once(child, 'close')).toEqual([status, null])
    expect(stderr).toContain('no unfinished output is left')
    expect(readdirSync(cwd)).toEqual([])
  })
})
