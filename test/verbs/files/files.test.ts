import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  fileSystemUsage,
  type ListFilesOptions,
  listFiles,
  openFileSystem,
  readFiles,
  statFiles,
} from '../../../src/index.js'
import { HandExt, type HandInode } from '../../support/ext-by-hand.js'
import { temporaryDirectory } from '../../support/paths.js'

const passwd = 'root:x:0:0::/root:/bin/sh\nmallory\x1b[31m:x:1000:1\nshort:x\n:x:5:5\nroot2:x:0:0\nbad:x:12x:1'

/** An image with files and directories of all kinds. */
function makeImage(): string {
  const hand = new HandExt()
  const below = (block: number, number: number, names: [string, number][]) => {
    hand.inode(number, { type: 'directory', mode: 0o755, size: 1024, map: [block] })
    hand.directory(block, names)
  }
  const content = (number: number, block: number, text: string, more: HandInode = {}) => {
    hand.inode(number, { size: text.length, map: [block], ...more })
    hand.block(block).write(text, 'latin1')
  }
  const names: [string, number][] = [
    ['b.txt', 12],
    ['a.TXT', 13],
    ['.hidden', 14],
    ['etc', 15],
    ['to etc', 16],
    ['lost', 17],
    ['null', 18],
    ['!first', 19],
  ]
  hand.directory(20, names)
  below(21, 15, [
    ['passwd', 20],
    ['deep', 21],
  ])
  below(22, 21, [['empty', 22]])
  below(23, 14, [['inside', 12]])
  below(24, 22, [])
  content(12, 30, 'content of b')
  content(13, 31, 'a')
  content(20, 32, passwd)
  content(19, 33, '')
  hand.inode(16, { type: 'symlink', mode: 0o777, size: 4, blocks: 0, map: Buffer.from('/etc'.padEnd(60, '\0')) })
  hand.inode(17, { type: 'symlink', mode: 0o777, size: 4, blocks: 0, map: Buffer.from('none'.padEnd(60, '\0')) })
  hand.inode(18, { type: 'character', map: [0x103] })
  for (const [number, mtime] of [
    [12, 300],
    [13, 200],
    [15, 100],
    [20, 50],
  ] as const) {
    hand.record(number).writeUInt32LE(mtime, 0x10)
  }
  hand.record(12).writeUInt16LE(1000, 2)
  const file = path.join(temporaryDirectory(), 'image')
  writeFileSync(file, hand.bytes)
  return file
}

let image = ''
beforeEach(() => {
  image = makeImage()
})

const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('latin1'))

async function listed(options: ListFilesOptions = {}): Promise<string[]> {
  await using listing = await listFiles(image, options)
  const found: string[] = []
  for await (const directory of listing.directories) {
    found.push(`${text(directory.path)}: ${directory.files.map(({ name }) => text(name)).join(' ')}`)
  }
  return found
}

describe('listFiles', () => {
  test.each<[string, ListFilesOptions, string[]]>([
    ['the root directory', {}, ['/: !first a.TXT b.txt etc lost null to etc']],
    ['hidden names', { hidden: 'almost-all' }, ['/: !first .hidden a.TXT b.txt etc lost null to etc']],
    ['all names', { hidden: 'all' }, ['/: !first . .. .hidden a.TXT b.txt etc lost null to etc']],
    ['in reverse', { reverse: true }, ['/: to etc null lost etc b.txt a.TXT !first']],
    ['by time', { paths: ['/'], sort: 'time' }, ['/: b.txt a.TXT etc !first lost null to etc']],
    ['by size', { sort: 'size' }, ['/: etc b.txt lost to etc a.TXT !first null']],
    [
      'all below',
      { recursive: true },
      ['/: !first a.TXT b.txt etc lost null to etc', '/etc: deep passwd', '/etc/deep: empty', '/etc/deep/empty: '],
    ],
    [
      'hidden directories, too',
      { recursive: true, hidden: 'all', paths: ['etc/'] },
      ['etc/: . .. deep passwd', 'etc/deep: . .. empty', 'etc/deep/empty: . ..'],
    ],
    [
      'paths that are no directories first',
      { paths: ['etc', 'b.txt', 'a.TXT'] },
      ['null: a.TXT b.txt', 'etc: deep passwd'],
    ],
    ['directories as files', { paths: ['etc', 'b.txt'], directoriesAsFiles: true }, ['null: b.txt etc']],
    ['a link to a directory', { paths: ['to etc'] }, ['to etc: deep passwd']],
    ['that link itself', { paths: ['to etc'], details: true }, ['null: to etc']],
    ['what it leads to', { paths: ['to etc/'], details: true }, ['to etc/: deep passwd']],
    ['a link that leads nowhere', { paths: ['lost'] }, ['null: lost']],
    ['types', { types: ['symlink', 'character'] }, ['/: lost null to etc']],
    ['a pattern', { pattern: '*.txt', recursive: true }, ['/: b.txt']],
    ['a pattern below', { pattern: Buffer.from('[dp]*'), recursive: true }, ['/etc: deep passwd']],
    ['what is newer', { newer: 199.5 }, ['/: a.TXT b.txt']],
    ['what is newer than a file', { newerThan: '/a.TXT' }, ['/: b.txt']],
    ['a path as bytes', { paths: [Buffer.from('/etc/deep')] }, ['/etc/deep: empty']],
  ])('lists %s', async (_, options, expected) => {
    expect(await listed(options)).toEqual(expected)
  })

  test('knows the directory above each other', async () => {
    await using listing = await listFiles(image, { recursive: true, hidden: 'all', paths: ['/etc/deep'] })
    const above: (readonly [string | null, number | undefined, number | undefined])[] = []
    for await (const { path, files } of listing.directories) {
      const number = (wanted: string) => files.find(({ name }) => text(name) === wanted)?.inode.number
      above.push([text(path), number('.'), number('..')])
    }
    expect(above).toEqual([
      ['/etc/deep', 21, 15],
      ['/etc/deep/empty', 22, 21],
    ])
  })

  test('gives the targets of links with the details only', async () => {
    for (const details of [true, false]) {
      await using listing = await listFiles(image, { types: ['symlink'], details })
      for await (const { files } of listing.directories) {
        expect(files.map(({ target }) => text(target))).toEqual(details ? ['none', '/etc'] : [null, null])
      }
    }
  })

  test('knows names from the image, and escapes them', async () => {
    await using listing = await listFiles(image, { ownerNames: true })
    const { user, group } = listing.ownerNames!
    expect([0, 1000, 5, 12].map(user)).toEqual(['root', String.raw`mallory\x1b[31m`, null, null])
    expect(group(0)).toBeNull()
  })

  test('lists nothing when a path does not exist', async () => {
    await expect(listed({ paths: ['/', '/etc/none'] })).rejects.toMatchObject({ code: 'FS_NOT_FOUND' })
    await expect(listed({ newerThan: '/none' })).rejects.toMatchObject({ code: 'FS_NOT_FOUND' })
  })

  test('goes on without a path that does not exist, if the caller takes note', async () => {
    const left: string[] = []
    const onLeftOut = ({ code, message }: { code: string; message: string }) =>
      left.push(`${code} ${path.basename(message)}`)
    await using listing = await listFiles(image, { paths: ['/none', '/etc'], onLeftOut })
    for await (const directory of listing.directories) expect(`${directory.path}`).toBe('/etc')
    expect(left).toEqual(['FS_NOT_FOUND none does not exist in the file system'])
  })

  test('stops when its signal fires', async () => {
    const stop = new AbortController()
    await using listing = await listFiles(image, { signal: stop.signal })
    stop.abort()
    await expect(async () => {
      for await (const _ of listing.directories) expect.unreachable()
    }).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})

describe('readFiles', () => {
  const read = async (paths: string[]) => {
    const pieces: Uint8Array[] = []
    for await (const piece of readFiles(image, paths)) pieces.push(piece)
    return Buffer.concat(pieces).toString('latin1')
  }

  test('uses two pieces of memory in turn when asked to', async () => {
    const pieces: Uint8Array[] = []
    for await (const piece of readFiles(image, ['/b.txt', '/a.TXT', '/a.TXT'], { reuseMemory: true })) {
      pieces.push(piece)
      if (pieces.length === 2) expect(Buffer.from(pieces[0]!)).toEqual(Buffer.from('content of b'))
    }
    const [first, second, third] = pieces.map(({ buffer }) => buffer)
    expect(third).toBe(first)
    expect(second).not.toBe(first)
  })

  test('gives files in order, also through links', async () => {
    expect(await read(['/b.txt', '!first', 'to etc/passwd', 'a.TXT'])).toBe(`content of b${passwd}a`)
  })

  test.each([
    ['/etc', 'NOT_A_FILE', '/etc is a directory'],
    ['/null', 'NOT_A_FILE', '/null is a device'],
    ['/lost', 'FS_NOT_FOUND', '/lost does not exist'],
  ])('refuses %s before it reads anything', async (wrong, code, message) => {
    const pieces = readFiles(image, ['/b.txt', wrong])
    await expect(pieces.next()).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })
})

describe('statFiles', () => {
  test('describes files and links', async () => {
    const found = []
    for await (const { path, inode, target, user } of statFiles(image, ['/b.txt', 'to etc'], { ownerNames: true })) {
      found.push([text(path), inode.number, text(target), user])
    }
    const user = String.raw`mallory\x1b[31m`
    expect(found).toEqual([
      ['/b.txt', 12, null, user],
      ['to etc', 16, '/etc', 'root'],
    ])
    for await (const { inode } of statFiles(image, ['to etc'], { followLinks: true })) expect(inode.number).toBe(15)
  })

  test('lists extents', async () => {
    for await (const status of statFiles(image, ['/b.txt'])) {
      for await (const extents of status.extents()) {
        expect(extents).toEqual([{ logical: 0, physical: 30, length: 1, unwrittenAt: null }])
      }
    }
  })
})

test('fileSystemUsage names the kind and the features', async () => {
  expect(await fileSystemUsage(image)).toMatchObject({ kind: 'ext4', features: ['filetype', 'extent'], findings: [] })
})

test('openFileSystem gives the reader, and closes the image', async () => {
  const opened = await openFileSystem(image)
  const inode = await opened.files.lookup(Buffer.from('/b.txt'))
  await opened.close()
  await expect(opened.files.read(inode, 0, new Uint8Array(1))).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(openFileSystem(path.dirname(image))).rejects.toMatchObject({ code: 'NOT_A_FILE' })
})
