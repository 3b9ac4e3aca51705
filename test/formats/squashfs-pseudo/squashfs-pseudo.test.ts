import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import type { ManifestEntry } from '../../../src/formats/manifest/index.js'
import {
  readSquashfsPseudo,
  type SquashfsPseudoOptions,
  writeSquashfsPseudo,
} from '../../../src/formats/squashfs-pseudo/index.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import { asyncOf, bytesOf, collect, cut, entry, listOf, treeArbitrary } from '../../support/manifest-entries.js'

const write = (entries: Iterable<ManifestEntry>, options: SquashfsPseudoOptions = {}) =>
  collect(writeSquashfsPseudo(asyncOf(entries), options))
const trial = (source: AsyncIterable<Uint8Array>) => listOf(readSquashfsPseudo(source, { name: 'x.pseudo' }))

const device = { major: 300, minor: 3000 }
const small = [
  entry('d', { type: 'directory', mode: 0o1777, uid: 3000000000 }),
  entry('d/f "x" \\', { mode: 0o4755, uid: 1, gid: 2 }),
  entry('c', { type: 'character', device }),
  entry('b', { type: 'block', device }),
  entry('fifo', { type: 'fifo' }),
  entry('sock', { type: 'socket' }),
  entry('$(x) \xff', { type: 'symlink', linkTarget: bytesOf('a b "c" '), mtimeNs: 7_000_000_000n }),
]
const text = [
  '"d" m 1777 3000000000 0',
  '"d/f \\"x\\" \\\\" m 4755 1 2',
  '"c" c 644 0 0 300 3000',
  '"b" b 644 0 0 300 3000',
  '"fifo" i 644 0 0 f',
  '"sock" i 644 0 0 s',
  '"$(x) \xff" s 644 0 0 a b "c" ',
  '',
].join('\n')

/** True for what a line can hold. */
function isFit({ path, type, linkTarget }: ManifestEntry): boolean {
  if (path.length === 0 || path.includes(0x0a)) return false
  const target = linkTarget === null ? 'x' : latin1Text(linkTarget)
  return type !== 'symlink' || !(target.includes('\n') || target.endsWith('\\') || ' \t\v\f\r'.includes(target[0]!))
}

describe('the pseudo file of squashfs-tools', () => {
  it('has known text', async () => {
    expect((await write(small)).toString('latin1')).toBe(text)
    const timed = await write(small.slice(-1), { times: true })
    expect(timed.toString('latin1')).toBe('"$(x) \xff" S 7 644 0 0 a b "c" \n')
    const made = await write(small.slice(0, 1), { isInTree: () => false })
    expect(made.toString()).toBe('"d" d 1777 3000000000 0\n')
  })

  it('gives back any tree that it can hold, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, fc.integer({ min: 1, max: 300 }), async (tree, length) => {
        const fit = tree.filter(isFit)
        const definitions = fit.map(({ path, type, mode, uid, gid, device, linkTarget }) => {
          const isInTree = type === 'directory' || type === 'file'
          return { path, type: isInTree ? null : type, mode, uid, gid, device, linkTarget, mtimeNs: null }
        })
        expect(await trial(cut(await write(fit), length))).toEqual(definitions)
      }),
      { numRuns: runs(50) },
    )
  })

  it('never has a definition that runs a command', async () => {
    await expect(write([entry('f')], { isInTree: () => false })).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
  })

  it('leaves the top out with a warning', async () => {
    const warnings: string[] = []
    const top = entry('', { type: 'directory', mode: 0o700 })
    expect(await write([top], { onWarning: (warning) => warnings.push(warning) })).toHaveLength(0)
    expect(warnings).toHaveLength(1)
  })

  it.each([
    entry('new\nline'),
    ...['new\nline', ' blank', '\tblank', 'end\\'].map((target) =>
      entry('l', { type: 'symlink', linkTarget: bytesOf(target) }),
    ),
  ])('cannot hold entry %#', async (one) => {
    await expect(write([one])).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
  })

  it.each([
    ['f F 644 0 0 rm -rf /\n', 'ARCHIVE_FEATURE'],
    ['f f 644 0 0 rm -rf /\n', 'ARCHIVE_FEATURE'],
    ['f l other\n', 'ARCHIVE_FEATURE'],
    ['../f m 644 0 0\n', 'UNSAFE_PATH'],
    ['"a\0" m 644 0 0\n', 'UNSAFE_PATH'],
    ['some text\n', 'NOT_ARCHIVE'],
    ['a m 644 0 0\nsome text\n', 'BAD_ARCHIVE'],
    ['a m 644 0\n', 'NOT_ARCHIVE'],
    ['a m 644 0 0 0\n', 'NOT_ARCHIVE'],
    ['a m 10000 0 0\n', 'NOT_ARCHIVE'],
    ['a m 644 root 0\n', 'NOT_ARCHIVE'],
    ['"a m 644 0 0\n', 'NOT_ARCHIVE'],
    ['a\\\n', 'ARCHIVE_FEATURE'],
    ['a c 644 0 0 4096 0\n', 'NOT_ARCHIVE'],
    ['a s 644 0 0\n', 'NOT_ARCHIVE'],
    ['a i 644 0 0 x\n', 'NOT_ARCHIVE'],
    ['x'.repeat(2 ** 20), 'BAD_ARCHIVE'],
  ])('refuses %j', async (line, code) => {
    expect(await outcomeOf(trial, bytesOf(line))).toBe(code)
  })

  it('stands changed and missing bytes', async () => {
    const bytes = bytesOf(text)
    const counts = await expectHardened(trial, bytes, 1500)
    expect(counts.get('BAD_ARCHIVE')).toBeGreaterThan(50)
    for (let length = 1; length <= bytes.length; length++) {
      // Lines that are whole say nothing of those that are missing.
      const code = bytes[length - 1] === 0x0a ? null : 'TRUNCATED_ARCHIVE'
      expect(await outcomeOf(trial, bytes.subarray(0, length))).toBe(code)
    }
  })

  it('may have comments, blank lines and names without quotes', async () => {
    const definitions = await trial(cut(bytesOf('# x\n\n  /a\\ b  m  0644  1 2  \n'), 5))
    expect(definitions).toMatchObject([{ path: bytesOf('a b'), type: null, mode: 0o644, uid: 1, gid: 2 }])
  })
})
