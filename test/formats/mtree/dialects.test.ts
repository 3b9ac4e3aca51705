import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import type { EntryType, ManifestEntry } from '../../../src/formats/manifest/index.js'
import { parseDevice } from '../../../src/formats/mtree/device.js'
import { locationKey, locationOfKey, MtreeDirectories, topDirectory } from '../../../src/formats/mtree/directories.js'
import { type MtreeReadOptions, readMtree } from '../../../src/formats/mtree/reader.js'
import { unescapeName } from '../../../src/formats/mtree/text.js'
import type { FindOwner, MtreeTree } from '../../../src/formats/mtree/tree.js'
import { runs } from '../../support/amount.js'
import { bytesOf, cut, entry, listOf } from '../../support/manifest-entries.js'

// What NetBSD's and FreeBSD's mtree, bsdtar and people write.

const read = (lines: readonly string[], options: MtreeReadOptions = {}) =>
  listOf(readMtree(cut(bytesOf(`${lines.join('\n')}\n`), 7), { name: 'list', ...options }))

const owned = 'uid=0 gid=0 mode=0644'

interface Named extends Partial<ManifestEntry> {
  readonly type: EntryType
  /** The inode and the number of names. */
  readonly inode?: number
  readonly nlink?: number
}

/** A tree of the given names. */
function treeOf(names: Readonly<Record<string, Named>>): MtreeTree {
  const find = (path: Uint8Array) => {
    const name = names[latin1Text(path)]
    if (name === undefined) return null
    return { type: name.type, size: name.size ?? 0, device: 1n, inode: BigInt(name.inode ?? 1), nlink: name.nlink ?? 1 }
  }
  return {
    find,
    file: (path) => find(path) ?? expect.fail(`no ${latin1Text(path)}`),
    describe: (path) => (find(path) === null ? null : entry(Buffer.from(path), names[latin1Text(path)]!)),
  }
}

describe('names in mtree text', () => {
  it.each([
    [String.raw`caf\M-C\M-)`, 'caf\xc3\xa9'],
    [String.raw`\^A\^?\M^@\M^_\M^?\240`, '\x01\x7f\x80\x9f\xff\xa0'],
    [String.raw`\M-\\^\\M^\x`, '\xdc\x1c\x9cx'],
    [String.raw`\a\b\E\f\n\r\s\t\v`, '\x07\x08\x1b\x0c\n\r \t\x0b'],
    [String.raw`\1\12\0123`, '\x01\n\n3'],
    [String.raw`\x4\x41z`, '\x04Az'],
    [String.raw`\#\*\"\$x`, '#*"x'],
  ])('%s is as unvis(3) says', (text, name) => {
    expect(latin1Text(unescapeName(bytesOf(text))!)).toBe(name)
  })

  it.each(['\\', '\\q', '\\8', '\\777', '\\xg', '\\M', '\\Mx', '\\M-', '\\M^', '\\^', '\\M-\x80'])(
    '%j is no name',
    (text) => {
      expect(unescapeName(bytesOf(text))).toBeNull()
    },
  )

  it('may have bytes that look like a slash, a line that goes on, or a comment', async () => {
    const lines = [
      `. type=dir ${owned}`,
      '# a comment with the raw name of a directory \\',
      `na\\M-C\\M-/ve type=file ${owned} # and a comment`,
      `l type=link ${owned} link=x\\M-\\`,
      `m type=link ${owned} \\`,
      '  link=x\\\\',
    ]
    const [, first, ...links] = await read(lines)
    expect(latin1Text(first!.path)).toBe('na\xc3\xafve')
    expect(links.map(({ linkTarget }) => latin1Text(linkTarget!))).toEqual(['x\xdc', 'x\\'])
  })
})

describe('directories of mtree text', () => {
  const name = fc.constantFrom('a', 'b', 'long name', '\xff', '.').map(bytesOf)
  const paths = fc
    .array(name, { maxLength: 5 })
    .map((parts) => Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [bytesOf('/'), part]))))

  it('give back any path, from the top or from a directory', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(paths, paths)), (pairs) => {
        const directories = new MtreeDirectories()
        for (const [above, below] of pairs) {
          const [first, second] = [latin1Text(above), latin1Text(below)]
          const full = first === '' || second === '' ? first + second : `${first}/${second}`
          const from = directories.numberOf(directories.locate(topDirectory, above))
          const place = directories.locate(from, below)
          expect(latin1Text(directories.pathOf(place))).toBe(full)
          expect(directories.lengthOf(place)).toBe(full.length)
          expect(locationOfKey(locationKey(place))).toEqual(place)
        }
      }),
      { numRuns: runs(50) },
    )
  })
})

describe('device numbers in mtree text', () => {
  it.each([
    ['0x501', 5, 1],
    ['0xb12cb8', 300, 3000],
    ['02401', 5, 1],
    ['1281', 5, 1],
    ['native,0x12c,05670', 300, 3000],
    ['bsdos,5,3,2', 5, 770],
  ])('%s is %i,%i', (text, major, minor) => {
    expect(parseDevice(bytesOf(text))).toEqual({ major, minor })
  })

  it.each('native 386bsd 4bsd bsdos freebsd hpux isc linux netbsd osf1 sco solaris sunos svr3 svr4 ultrix'.split(' '))(
    'may have the numbers of %s',
    (system) => {
      expect(parseDevice(bytesOf(`${system},5,1`))).toEqual({ major: 5, minor: 1 })
    },
  )

  it.each([
    '',
    '0x',
    '08',
    '5,1',
    'plan9,5,1',
    'freebsd,0x501',
    'freebsd,4096,0',
    'freebsd,0,0x100000',
    'netbsd,1,2,3',
    'bsdos,1,2,256',
    'bsdos,1,2,3,4',
    '0x100000000',
    'native,,1',
  ])('%j is refused', (text) => {
    expect(parseDevice(bytesOf(text))).toBeNull()
  })
})

describe('mtree text is refused by line, keyword and value', () => {
  it.each([
    [
      `./a type=char ${owned} device=0x5z`,
      'BAD_ARCHIVE',
      'cannot read device "0x5z": expected FORMAT,MAJOR,MINOR or a',
    ],
    [`./a type=file ${owned} mode`, 'BAD_ARCHIVE', 'mode has no value: expected an octal number from 0 to 7777'],
    [`./a type=file ${owned} optional=no`, 'BAD_ARCHIVE', 'cannot read optional "no": expected no value'],
    [`./a type=file ${owned} sha1=00`, 'BAD_ARCHIVE', 'cannot read sha1 "00": expected 40 hexadecimal digits'],
    [
      `./a type=file ${owned} cksum=0x1`,
      'BAD_ARCHIVE',
      'cannot read cksum "0x1": expected a decimal number of 32 bits',
    ],
    [`./a type=file ${owned} xattr.user.a=\x1b`, 'ARCHIVE_FEATURE', 'umlcow does not know the keyword "xattr.user.a"'],
    [`/set bogus=1`, 'ARCHIVE_FEATURE', 'umlcow does not know the keyword "bogus"'],
    [`/unset bogus`, 'ARCHIVE_FEATURE', 'umlcow does not know the keyword "bogus"'],
    ['./a type=file uid=0 gid=0', 'BAD_ARCHIVE', 'a has no mode; add it to the line'],
    ['./a type=file gid=0 mode=0644 uname=root', 'BAD_ARCHIVE', 'a has no uid and no uname'],
    [`./a ${owned}`, 'BAD_ARCHIVE', 'a has no type, and the tree does not have it'],
    [`a ${owned}`, 'BAD_ARCHIVE', 'a has no type, and the tree does not have it'],
    [`./a type=block ${owned}`, 'BAD_ARCHIVE', 'a has no device, and the tree has no block there'],
    [`./a type=link ${owned}`, 'BAD_ARCHIVE', 'a has no link, and the tree has no symlink there'],
    [`./a type=file ${owned} device=0x501`, 'BAD_ARCHIVE', 'device: a is a file'],
    [`./a type=dir ${owned} md5=${'0'.repeat(32)}`, 'BAD_ARCHIVE', 'a is a directory, and only a file has a digest'],
    [
      `./a type=file ${owned} contents=/etc/passwd`,
      'UNSAFE_PATH',
      'contents "/etc/passwd" is not relative to the tree',
    ],
    [`./a\\q type=file ${owned}`, 'BAD_ARCHIVE', 'cannot read the name "./a\\q": unknown escape'],
    [`./a nochange`, 'ENTRY_UNFIT', 'a is missing in the tree'],
  ])('%j', async (line, code, message) => {
    const reading = read(['#mtree', '# a comment', `. type=dir ${owned}`, line], { tree: treeOf({}) })
    await expect(reading).rejects.toMatchObject({ code, message: expect.stringContaining(`list: line 4: ${message}`) })
  })

  it('with the details for a program', async () => {
    const reading = read(['#mtree', `./a type=file ${owned} \\`, 'size=x'])
    await expect(reading).rejects.toMatchObject({ details: { line: 2, keyword: 'size', value: 'x' } })
  })
})

describe('several lines about a path', () => {
  const modes = async (...lines: string[]) =>
    (await read(['#mtree', ...lines])).map(({ path, mode }) => `${path} ${mode.toString(8)}`)

  it('give the later keys, the defaults of the later line included', async () => {
    const lines = ['/set uid=0 gid=0 mode=0644', './f type=file time=1', './g type=file', './f type=file mode=0600']
    expect(await modes(...lines)).toEqual(['f 600', 'g 644'])
    expect(await modes(...lines, './f time=5')).toEqual(['f 644', 'g 644'])
    expect(await modes(...lines, '/unset all', './f time=5')).toEqual(['f 600', 'g 644'])
    const [f] = await read(['#mtree', ...lines, '/unset all', './f time=5.7'])
    expect(f).toMatchObject({ type: 'file', mtimeNs: 5_000_000_007n })
  })

  it('and other types are refused', async () => {
    const reading = read(['#mtree', `./f type=file ${owned}`, `./f type=dir ${owned}`])
    const message = 'list: line 3: type of f: is directory, and line 2 has file'
    await expect(reading).rejects.toMatchObject({ code: 'BAD_ARCHIVE', message })
  })

  it('in the older form go into the directory again', async () => {
    const lines = [
      `. type=dir ${owned}`,
      `/set type=file ${owned}`,
      'd type=dir',
      'a',
      '..',
      'd type=dir mode=0700',
      'b',
      'a',
    ]
    expect(await modes(...lines)).toEqual([' 644', 'd 700', 'd/a 644', 'd/b 644'])
  })

  it('may be very many', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `./f time=${i}.0`)
    const [f] = await read(['#mtree', `./f type=file ${owned}`, ...lines])
    expect(f?.mtimeNs).toBe(4999n * 10n ** 9n)
  })
})

describe('owners in mtree text', () => {
  const known = new Map([
    ['user bin', 2],
    ['group staff', 50],
    ['user é', 7],
  ])
  const findOwner: FindOwner = async (kind, name) => known.get(`${kind} ${name}`) ?? null
  const owners = async (...lines: string[]) =>
    (await read(['#mtree', ...lines], { findOwner })).map(({ uid, gid }) => [uid, gid])

  it('are looked up by name', async () => {
    const more = 'type=file mode=0644'
    expect(await owners(`./a ${more} uname=bin gname=staff`)).toEqual([[2, 50]])
    expect(await owners(`./a ${more} uname=\\303\\251 gname=staff`)).toEqual([[7, 50]])
  })

  it('are numbers where both are there', async () => {
    const more = 'type=file mode=0644'
    expect(await owners(`./a ${more} uid=9 uname=bin gname=none gid=8`)).toEqual([[9, 8]])
    expect(await owners(`/set uid=9 uname=bin gname=none gid=8`, `./a ${more}`)).toEqual([[9, 8]])
  })

  it('of a line replace those of the defaults and of earlier lines', async () => {
    const more = 'type=file mode=0644'
    expect(await owners('/set uid=0 gid=0', `./a ${more} uname=bin`, `./b ${more} gname=staff`)).toEqual([
      [2, 0],
      [0, 50],
    ])
    expect(await owners('/set uname=none gname=none', `./a ${more} uid=1 gid=2`)).toEqual([[1, 2]])
    expect(await owners(`./a ${more} uid=1 gid=2`, './a uname=bin', './a mode=0600')).toEqual([[2, 2]])
  })

  it('that the host does not know are named', async () => {
    const reading = owners('./a type=file mode=0644 uid=0 gname=st\\033aff')
    const message = 'list: line 2: gname "st\\x1baff": this host has no such group; use gid=NUMBER instead'
    await expect(reading).rejects.toMatchObject({ code: 'UNKNOWN_GROUP', message })
  })
})

describe('mtree text and a tree', () => {
  const two = { type: 'file', inode: 7, nlink: 2 } as const
  const links = async (tree: MtreeTree, ...lines: string[]) =>
    (await read(['#mtree', ...lines], { tree })).map(({ path, hardLinkTo }) => [
      `${path}`,
      hardLinkTo && `${hardLinkTo}`,
    ])

  it('have names of one file without inode=, as bsdtar and NetBSD write them', async () => {
    const tree = treeOf({
      a: two,
      b: two,
      c: { ...two, inode: 8 },
      p: { ...two, type: 'fifo', inode: 9 },
      q: { ...two, type: 'fifo', inode: 9 },
    })
    const lines = ['a', 'b', 'c'].map((name) => `./${name} type=file nlink=2 ${owned}`)
    const pipes = ['p', 'q'].map((name) => `./${name} type=fifo ${owned}`)
    expect(await links(tree, ...lines, ...pipes)).toEqual([
      ['a', null],
      ['b', 'a'],
      ['c', null],
      ['p', null],
      ['q', 'p'],
    ])
  })

  it('have files with one name where the text says so', async () => {
    const tree = treeOf({ a: two, b: two })
    expect(await links(tree, ...['a', 'b'].map((name) => `./${name} type=file nlink=1 ${owned}`))).toEqual([
      ['a', null],
      ['b', null],
    ])
    const copies = ['x', 'y'].map((name) => `./${name} type=file contents=a ${owned}`)
    expect(await links(tree, ...copies)).toEqual([
      ['x', null],
      ['y', null],
    ])
  })

  it.each([
    ['mode=0600', 'type, mode, owner, device or link'],
    ['uid=5', 'type, mode, owner, device or link'],
    ['md5=00000000000000000000000000000000', 'md5'],
  ])('are refused when two names of a file differ: %s', async (other, what) => {
    const message = `list: line 3: b is a hard link to a in line 2, but differs in ${what}`
    const lines = [`./a type=file ${owned}`, `./b type=file ${owned} ${other}`]
    await expect(links(treeOf({ a: two, b: two }), ...lines)).rejects.toMatchObject({ code: 'BAD_ARCHIVE', message })
    const numbered = lines.map((line) => `${line} inode=4`)
    await expect(links(treeOf({ a: two, b: two }), ...numbered)).rejects.toMatchObject({ code: 'BAD_ARCHIVE', message })
  })

  it('have the types, devices and targets that the text lacks', async () => {
    const device = { major: 5, minor: 1 }
    const tree = treeOf({
      d: { type: 'directory' },
      'd/f': { type: 'file', size: 3 },
      'd/c': { type: 'character', device },
      'd/l': { type: 'symlink', linkTarget: bytesOf('x') },
    })
    const base = { mode: 0o644 }
    const expected = [
      entry('d', { type: 'directory', ...base }),
      entry('d/f', { size: 3, ...base }),
      entry('d/c', { type: 'character', device, ...base }),
      entry('d/l', { type: 'symlink', linkTarget: bytesOf('x'), ...base }),
    ]
    const set = `/set ${owned}`
    expect(await read(['#mtree', set, './d', './d/f', './d/c', './d/l'], { tree })).toEqual(expected)
    expect(await read([set, '. type=dir', 'd', 'f', 'c type=char', 'l type=link', '..'], { tree })).toEqual([
      entry('', { type: 'directory', ...base }),
      ...expected,
    ])
  })

  it('leave out an optional name that is missing, with a warning', async () => {
    const warnings: string[] = []
    const options = { tree: treeOf({ b: { type: 'file' } }), onWarning: (message: string) => warnings.push(message) }
    const lines = ['#mtree', `/set type=file ${owned}`, './a optional', './b optional']
    expect((await read(lines, options)).map(({ path }) => `${path}`)).toEqual(['b'])
    expect(warnings).toEqual(['list: line 3: a is optional and missing in the tree: left out'])
  })

  it('take all attributes from the tree with nochange', async () => {
    const tree = treeOf({ a: { type: 'file', mode: 0o4711, uid: 5, gid: 6, size: 3, mtimeNs: 9n } })
    const [a] = await read(['#mtree', './a nochange mode=0600 uid=1 size=9'], { tree })
    expect(a).toEqual(entry('a', { mode: 0o4711, uid: 5, gid: 6, size: 3, mtimeNs: 9n }))
  })

  it('are refused when a size differs', async () => {
    const reading = read(['#mtree', `./a type=file size=4 ${owned}`], {
      tree: treeOf({ a: { type: 'file', size: 3 } }),
    })
    const message =
      'list: line 2: size of a: expected 4 bytes, got 3 in the tree; restore the file, or make the list again'
    await expect(reading).rejects.toMatchObject({ code: 'INPUT_CHANGED', message })
  })

  it('lose file flags with one warning', async () => {
    const warnings: string[] = []
    const onWarning = (message: string) => warnings.push(message)
    const lines = ['#mtree', `/set type=dir ${owned} flags=none`, './a', './b flags=uarch,schg', './c flags=nodump']
    await read(lines, { onWarning })
    expect(warnings).toEqual([
      'list: line 4: b has the file flags "uarch,schg"; umlcow drops all file flags of the list',
    ])
  })
})
