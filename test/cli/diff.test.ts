import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'

/** The pair of the fixtures, and the command run beside it. */
function unpacked(kind = 'ext4') {
  const directory = temporaryDirectory()
  unpackPair(kind, directory)
  return (...args: string[]) => umlcow(['diff', ...args], { cwd: directory })
}

describe('diff', () => {
  it('prints a letter, the paths and what changed, and has the exit status of diff(1)', () => {
    const run = unpacked()
    const { status, stdout, stderr } = run('-b', 'root_fs', 'cow')
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout.split('\n').slice(0, 5)).toEqual([
      'D\t/data/file3',
      'R\t/data/file4\t/data/moved',
      'A\t/etc/link',
      'M\t/etc/motd\tbytes 6-23; size,mtime',
      'A\t/new/d1',
    ])
    expect(run('root_fs', 'root_fs')).toMatchObject({ status: 0, stdout: '' })
    expect(run('-b', 'root_fs', 'none')).toMatchObject({ status: 2, stdout: '' })
    expect(run('root_fs')).toMatchObject({ status: 63, stderr: expect.stringContaining('umlcow diff OLD NEW') })
  })

  it('prints paths, lines and sums', () => {
    const run = unpacked()
    expect(run('--name-only', '-0', '-b', 'root_fs', 'cow').stdout.split('\0').slice(0, 2)).toEqual([
      '/data/file3',
      '/data/moved',
    ])
    expect(run('--content', '-b', 'root_fs', 'cow').stdout).toContain('\n hello\n+changed by guest\n')
    expect(run('--stat', '-b', 'root_fs', 'cow').stdout).toMatch(
      /A added: 19\n.* journal\n.* in all blocks that differ/s,
    )
    for (const wrong of [['--ranges', '--stat'], ['-0'], ['--ranges', '--no-replay'], ['--json', '--content']]) {
      expect(run(...wrong, '-b', 'root_fs', 'cow').status, `${wrong}`).toBe(64)
    }
  })

  it('shows bytes where there is no file system', () => {
    const run = unpacked('odd')
    const { status, stdout, stderr } = run('-b', 'root_fs', 'cow')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^\d+\t\d+\tchanged\n/)
    expect(stderr).toMatch(/warning: .*these are the bytes that differ/)
    expect(run('--files', '-b', 'root_fs', 'cow').status).toBe(63)
  })
})
