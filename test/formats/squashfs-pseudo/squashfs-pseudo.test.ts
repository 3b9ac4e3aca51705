import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import type { ManifestEntry } from '../../../src/formats/manifest/index.js'
import {
  type SquashfsDefinition,
  type SquashfsPseudoOptions,
  SquashfsPseudoReader,
  type SquashfsReadOptions,
  writeSquashfsPseudo,
} from '../../../src/formats/squashfs-pseudo/index.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import { asyncOf, bytesOf, collect, cut, entry, listOf, treeArbitrary } from '../../support/manifest-entries.js'

const write = (entries: Iterable<ManifestEntry>, options: SquashfsPseudoOptions = {}) =>
  collect(writeSquashfsPseudo(asyncOf(entries), options))
const read = (source: AsyncIterable<Uint8Array>, options: SquashfsReadOptions = {}) =>
  listOf(new SquashfsPseudoReader(source, { name: 'x.pseudo', ...options }).lines())
const trial = (source: AsyncIterable<Uint8Array>) => read(source)
/** Read the lines, and the content of each file. */
async function readWithData(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const reader = new SquashfsPseudoReader(source, { name: 'x.pseudo' })
  const files: SquashfsDefinition[] = []
  for await (const line of reader.lines()) if (line.kind === 'definition' && line.data !== null) files.push(line)
  const contents: string[] = []
  for (const { path, data } of files)
    contents.push((await collect(await reader.content(path, data!))).toString('latin1'))
  await reader.finish()
  return contents
}

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

  it.each(['f m 644 0 0\nnew\nline m 644 0 0\n', 'f m 644 0 0\n"new\nline" m 644 0 0\n'])(
    'says how a name with a newline gets in, for no pseudo file can hold one: %j',
    async (lines) => {
      await expect(trial(asyncOf([bytesOf(lines)]))).rejects.toMatchObject({
        code: 'BAD_ARCHIVE',
        message: expect.stringMatching(/: not a definition: nothing follows the name in line 2$/),
        hint: expect.stringMatching(/^a newline in the name .* --from directory TREE$/),
      })
    },
  )

  it('gives back any tree that it can hold, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, fc.integer({ min: 1, max: 300 }), async (tree, length) => {
        const fit = tree.filter(isFit)
        const definitions = fit.map(({ path, type, mode, uid, gid, device, linkTarget }, i) => {
          const isInTree = type === 'directory' || type === 'file'
          const own = { path, type: isInTree ? null : type, mode, uid, gid, device, linkTarget }
          return { kind: 'definition', line: i + 1, ...own, data: null, mtimeNs: null }
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
    ['f h other\n', 'ARCHIVE_FEATURE'],
    ['f L a b\n', 'NOT_ARCHIVE'],
    ['f L\n', 'NOT_ARCHIVE'],
    ['f L ../a\n', 'UNSAFE_PATH'],
    ['f x user.foo\n', 'NOT_ARCHIVE'],
    ['f r 644 0 0 1 0\n', 'NOT_ARCHIVE'],
    ['f R 1 644 0 0 1\n', 'NOT_ARCHIVE'],
    ['f R 1 644 0 0 9007199254740991 1\n', 'NOT_ARCHIVE'],
    ['f R 1 644 0 0 1 0 2\n', 'NOT_ARCHIVE'],
    ['f R 1 644 0 0 1 0\n', 'TRUNCATED_ARCHIVE'],
    ['f R 1 644 0 0 1 0\n# START OF DATA - DO NOT MODIFY\n', 'TRUNCATED_ARCHIVE'],
    ['f R 1 644 0 0 1 0\n# START OF DATA - DO NOT MODIFY\n\n\n', 'BAD_ARCHIVE'],
    ['f D yesterday 644 0 0\n', 'NOT_ARCHIVE'],
    ['f D 4294967296 644 0 0\n', 'NOT_ARCHIVE'],
    ['f d 644 4294967296 0\n', 'BAD_ARCHIVE'],
    ['f d 644 0 -4294967297\n', 'BAD_ARCHIVE'],
    ['../f m 644 0 0\n', 'UNSAFE_PATH'],
    ['"a\0" m 644 0 0\n', 'UNSAFE_PATH'],
    ['some text\n', 'NOT_ARCHIVE'],
    ['a m 644 0 0\nsome text\n', 'BAD_ARCHIVE'],
    ['a m 644 0\n', 'NOT_ARCHIVE'],
    ['a m 644 0 0 0\n', 'NOT_ARCHIVE'],
    ['a m 10000 0 0\n', 'NOT_ARCHIVE'],
    ['a m 644 root 0\n', 'UNKNOWN_USER'],
    ['a m 644 0 \xff\n', 'UNKNOWN_GROUP'],
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

  it('has its data section', async () => {
    const lines = '/ D 1 755 0 0\na R 5 644 0 0 3 0\nempty R 5 644 0 0 0 9\nb R 5 600 1 2 4 5 1\n'
    const whole = bytesOf(`${lines}#\n# START OF DATA - DO NOT MODIFY\n#\none\n#xyz\0end`)
    for (const length of [1, 7, 1000]) {
      expect(await readWithData(cut(whole, length))).toEqual(['one', '', 'xyz\0'])
    }
    const counts = new Map<string | null, number>()
    for (let length = lines.length; length < whole.length; length++) {
      const code = await outcomeOf(readWithData, whole.subarray(0, length))
      counts.set(code, (counts.get(code) ?? 0) + 1)
    }
    // No file needs the last three bytes.
    expect(Object.fromEntries(counts)).toEqual({ TRUNCATED_ARCHIVE: 45, null: 3 })
  })

  it('has names of users and groups', async () => {
    const asked: string[] = []
    const lookUpOwner = async (kind: string, name: string) => {
      asked.push(`${kind} ${name}`)
      return name === 'caf\u00e9' ? 7 : null
    }
    const text = 'a m 644 caf\xc3\xa9 +5\nb m 644 0 0\nc m 644 0 no\x1b\n'
    await expect(read(cut(bytesOf(text), 9), { lookUpOwner })).rejects.toMatchObject({
      code: 'UNKNOWN_GROUP',
      message: 'x.pseudo: "no\\x1b" is not a group of this host in line 3',
      hint: 'write the id of the group as a number',
    })
    expect(asked).toEqual(['user caf\u00e9', 'group no\x1b'])
    const [first] = await read(cut(bytesOf(text.slice(0, text.indexOf('\n') + 1)), 9), { lookUpOwner })
    expect(first).toMatchObject({ uid: 7, gid: 5 })
  })

  it('names the kinds that are read when it refuses another', async () => {
    await expect(read(cut(bytesOf('x m 644 0 0\nbin/x F 1 644 0 0 id\n'), 9))).rejects.toMatchObject({
      message:
        'x.pseudo: bin/x: umlcow reads the kinds m d c b i s M D C B I S R L x, but not "F" (runs a command) in line 2',
      details: { line: 2, path: 'bin/x' },
    })
  })

  it('has further names and extended attributes', async () => {
    expect(await trial(cut(bytesOf('n I 5 644 0 0 f\n"a b" L "/n"\nn x user.a=b c\n'), 5))).toMatchObject([
      { type: 'fifo', mtimeNs: 5_000_000_000n },
      { kind: 'link', path: bytesOf('a b'), first: bytesOf('n') },
      { kind: 'attribute', path: bytesOf('n'), name: bytesOf('user.a') },
    ])
  })

  it('has the large ids that unsquashfs 4.5 writes as negative numbers', async () => {
    expect(await trial(cut(bytesOf('d D 1 755 -2 -2147483648\n'), 5))).toMatchObject([
      { uid: 4_294_967_294, gid: 2_147_483_648 },
    ])
  })

  it('has the device numbers that unsquashfs 4.5 writes for large minor numbers', async () => {
    const text =
      'B 1 0 0 0 45356 184\nb B 1 0 0 0 -1 255\nb C 1 0 0 0 -2048 255\nb C 1 0 0 0 4100 0\nb C 1 0 0 0 4 255\n'
    const devices = (await trial(cut(bytesOf(`b ${text}`), 5))).map((line) => line.kind === 'definition' && line.device)
    expect(devices).toEqual([
      { major: 300, minor: 3000 },
      { major: 4095, minor: 1_048_575 },
      { major: 2048, minor: 1_048_575 },
      { major: 4, minor: 256 },
      { major: 4, minor: 255 },
    ])
    expect(await outcomeOf(trial, bytesOf('b b 644 0 0 45356 184\n'))).toBe('NOT_ARCHIVE')
    expect(await outcomeOf(trial, bytesOf('b B 1 644 0 0 45356 256\n'))).toBe('NOT_ARCHIVE')
    expect(await outcomeOf(trial, bytesOf('b B 1 644 0 0 -8388609 0\n'))).toBe('NOT_ARCHIVE')
    expect(await outcomeOf(trial, bytesOf('b B 1 644 0 0 16777216 0\n'))).toBe('NOT_ARCHIVE')
  })

  it('warns of a name that # makes a comment', async () => {
    const warnings: string[] = []
    const onWarning = (warning: string) => warnings.push(warning)
    const text = '# a comment\n  #n R 1 644 0 0 1 0\n# f d 1 0 0\n#dev d 755 0 0\n"#q" D 1 755 root 0\n#n L a\n'
    const lines = await read(cut(bytesOf(text), 9), { onWarning, lookUpOwner: async () => 0 })
    expect(lines).toMatchObject([{ path: bytesOf('#q') }])
    expect(warnings.map((warning) => warning.slice(0, 30))).toEqual([
      'x.pseudo: line 2 is a comment,',
      'x.pseudo: line 6 is a comment,',
    ])
  })

  it('may have comments, blank lines and names without quotes', async () => {
    const definitions = await trial(cut(bytesOf('# x\n\n  /a\\ b  m  0644  1 2  \nn"x y"\\"z d 1 0 0\n'), 5))
    expect(definitions).toMatchObject([
      { path: bytesOf('a b'), type: null, mode: 0o644, uid: 1, gid: 2 },
      { path: bytesOf('nx y"z'), type: 'directory' },
    ])
  })
})
