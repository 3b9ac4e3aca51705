import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  diffExt,
  type ExtDifferences,
  type ExtFileSystem,
  openExt,
  openMemoryStore,
  openRawImage,
} from '../../src/core.js'
import { amount, diceFor, sampleOf, tally } from '../support/amount.js'
import { changeLines, expectedLines } from '../support/ext-diff-oracle.js'
import { debugfs, type ExtConfig, e2fsprogs } from '../support/ext-images.js'
import type { Dice } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const configs: readonly ExtConfig[] = [
  ['ext2, 1 KiB', '-t ext2 -b 1024 -I 128'],
  ['ext3, 2 KiB', '-t ext3 -b 2048 -I 256'],
  ['ext4, 1 KiB', '-t ext4 -b 1024 -I 256 -O metadata_csum,64bit'],
  ['ext4, 4 KiB', '-t ext4 -b 4096 -I 256 -O metadata_csum,64bit,orphan_file'],
  ['ext4, inline data', '-t ext4 -b 1024 -I 512 -O inline_data,metadata_csum'],
  ['ext4, uninit_bg', '-t ext4 -b 1024 -g 1024 -O uninit_bg,^metadata_csum,^64bit'],
].map(([name, args]) => ({ name: name!, args: args!.split(' '), size: '6M' }))

async function openFile(image: string): Promise<ExtFileSystem> {
  return await openExt(openRawImage(openMemoryStore(readFileSync(image))))
}

/** Compare two images of one file system, and check what holds for any two. */
async function diffFiles(
  oldPath: string,
  newPath: string,
): Promise<ExtDifferences & { lines: string[]; expected: string[]; notes: string[] }> {
  const [old, now] = [await openFile(oldPath), await openFile(newPath)]
  const differences = await diffExt(old, now, [{ start: 0, end: now.image.virtualSize }])
  const sum = Object.values(differences.classes).reduce((total, length) => total + length, 0)
  expect(sum).toBe(differences.changedLength)
  expect(sum + differences.sameLength).toBe(now.image.virtualSize)
  const notes = now.findings.map(({ kind }) => kind)
  return { ...differences, lines: changeLines(differences.changes), expected: await expectedLines(old, now), notes }
}

function makeBase(directory: string, dice: Dice, { args, size }: ExtConfig): string {
  const tree = path.join(directory, 'tree')
  for (let i = 0; i < 5; i++) {
    mkdirSync(path.join(tree, `d${i}`), { recursive: true })
    for (let k = 0; k < 5; k++) {
      const bytes = Buffer.alloc(dice.pick([0, 10, 100, 1500, 9000, 40_000]))
      dice.fill(bytes)
      writeFileSync(path.join(tree, `d${i}`, `f${k}`), bytes)
    }
    writeFileSync(path.join(tree, `d${i}`, 'z'), Buffer.alloc(40_000, 'z'))
    symlinkSync('x'.repeat(dice.pick([5, 90])), path.join(tree, `d${i}`, 'link'))
  }
  const image = path.join(directory, 'old')
  e2fsprogs('mke2fs', ['-q', '-F', ...args, '-E', 'lazy_itable_init=1', '-N', '300', '-d', tree, image, size])
  return image
}

/**
 * Random commands of debugfs. Some fail, because a file is gone: debugfs goes on. It does not look whether a name is
 * taken, and does not count links: e2fsck does that afterwards.
 */
function randomCommands(dice: Dice, sources: readonly string[], { blockSize, hasExtents, isInline }: Layout): string[] {
  // Names of one kind stay of that kind: debugfs would punch a hole into a link, too.
  const kinds = [
    ['f0', 'f1', 'f2', 'f3', 'f4', 'g0'],
    ['n0', 'n1', 'n2', 'link'],
  ]
  const within = (names: readonly string[]) => `/d${dice.below(5)}/${dice.pick(names)}`
  const data = () => within(kinds[0]!)
  const special = () => within(kinds[1]!)
  const any = () => within(dice.pick(kinds))
  const inside = (name: () => string, ...commands: ((name: string) => string)[]) => {
    const chosen = name()
    const slash = chosen.lastIndexOf('/')
    return [`cd ${chosen.slice(0, slash)}`, ...commands.map((command) => command(chosen.slice(slash + 1)))]
  }
  const move = (isRename: boolean) => {
    const names = dice.pick(kinds)
    const [from, to] = [within(names), within(names)]
    return from === to ? [] : [`rm ${to}`, `ln ${from} ${to}`, ...(isRename ? [`unlink ${from}`] : [])]
  }
  const choices: (() => string[])[] = [
    () => inside(data, (name) => `write ${dice.pick(sources)} ${name}`),
    () =>
      inside(
        data,
        (name) => `rm ${name}`,
        (name) => `write ${dice.pick(sources)} ${name}`,
      ),
    () => [`rm ${any()}`],
    () => move(true),
    () => move(false),
    () => [`mkdir /d${dice.below(5)}/m${dice.below(4)}`],
    () => [`rmdir /d${dice.below(5)}/m${dice.below(4)}`],
    () =>
      inside(
        special,
        (name) => `rm ${name}`,
        (name) => `symlink ${name} ${'t'.repeat(dice.pick([3, 80]))}`,
      ),
    () =>
      inside(
        special,
        (name) => `rm ${name}`,
        (name) => `mknod ${name} ${dice.pick(['p', 'c 1 3', 'b 8 300'])}`,
      ),
    () => [`sif ${data()} mode 010${dice.pick(['0600', '0755', '4711'])}`],
    () => [`sif ${any()} ${dice.pick(['uid', 'gid'])} ${dice.below(3)}`],
    () => [`sif ${any()} mtime @${dice.below(1000)}`],
    () => [`sif ${any()} atime @${dice.below(1000)}`],
    () => [`ea_set ${any()} user.${dice.pick(['a', 'b'])} ${'v'.repeat(dice.pick([1, 300]))}`],
    () => [`ea_rm ${any()} user.a`],
    // In place, without a trace in the inode. In a hole, debugfs would write to block 0.
    () => [`zap_block -f /d${dice.below(5)}/z -o ${dice.below(blockSize)} -l 3 -p ${dice.below(256)} ${dice.below(8)}`],
  ]
  if (!isInline) {
    choices.push(
      () => [`sif ${data()} flags 0x${hasExtents ? 80 : 0}0${dice.below(10)}0`],
      () => [`sif ${data()} size ${dice.below(60_000)}`],
      () => [`punch ${data()} ${dice.below(10)} ${dice.below(40)}`],
      () => [`fallocate ${data()} ${dice.below(10)} ${10 + dice.below(10)}`],
    )
  }
  return Array.from({ length: 1 + dice.below(12) }, () => dice.pick(choices)()).flat()
}

interface Layout {
  readonly blockSize: number
  readonly hasExtents: boolean
  readonly isInline: boolean
}

describe.runIf(havePeers('/usr/sbin/mke2fs', '/usr/sbin/debugfs', '/usr/sbin/e2fsck'))('diffExt', () => {
  test.each(sampleOf('ext diff', configs, 2))('finds what debugfs changed: $name', async (config) => {
    const dice = diceFor(`diff ${config.name}`)
    const directory = temporaryDirectory()
    const old = makeBase(directory, dice, config)
    const sources = [0, 30, 5000, 70_000].map((size) => {
      const source = path.join(directory, `source${size}`)
      writeFileSync(source, Buffer.alloc(size, 'abc'))
      return source
    })
    const now = path.join(directory, 'now')
    const runs = amount({ quick: 6, deep: 60 })
    for (let i = 0; i < runs; i++) {
      copyFileSync(old, now)
      const { blockSize } = (await openFile(old)).superblock
      const layout = { blockSize, hasExtents: config.name.includes('ext4'), isInline: config.name.includes('inline') }
      const commands = randomCommands(dice, sources, layout)
      debugfs(now, commands, ['-w'])
      e2fsprogs('e2fsck', ['-fy', now], [0, 1])
      const { lines, expected } = await diffFiles(old, now)
      expect({ commands, lines }).toEqual({ commands, lines: expected })
      if (dice.once(2)) copyFileSync(now, old)
    }
    tally('debugfs scripts that diffExt explained', runs)
  })

  test('finds what only the journal holds', async () => {
    const config = configs[2]!
    const directory = temporaryDirectory()
    const old = makeBase(directory, diceFor('journal'), config)
    const now = path.join(directory, 'now')
    copyFileSync(old, now)
    const source = path.join(directory, 'block')
    writeFileSync(source, Buffer.alloc(1024, 'q'))
    const block = /\d+/.exec(debugfs(old, ['bmap /d0/z 1'])[0]!)![0]
    debugfs(now, ['jo', `jw -b ${block} ${source}`, 'jc'], ['-w'])
    const { lines, expected, notes } = await diffFiles(old, now)
    expect(lines).toEqual(['modified /d0/z  1024-2048'])
    expect(lines).toEqual(expected)
    expect(notes).toContain('replayed')
  })

  test('a file system that grew has the same files', async () => {
    const directory = temporaryDirectory()
    const old = makeBase(directory, diceFor('grown'), configs[3]!)
    const now = path.join(directory, 'now')
    copyFileSync(old, now)
    e2fsprogs('resize2fs', ['-f', now, '12M'])
    debugfs(now, ['rm /d1/f1'], ['-w'])
    const { kind, lines, classes } = await diffFiles(old, now)
    expect({ kind, lines }).toEqual({ kind: 'grown', lines: ['deleted /d1/f1  '] })
    expect(classes.descriptors).toBeGreaterThan(0)
  })

  test('a file system that was made anew has nothing in common', async () => {
    const directory = temporaryDirectory()
    const old = makeBase(directory, diceFor('anew'), configs[2]!)
    const now = path.join(directory, 'now')
    copyFileSync(old, now)
    e2fsprogs('mke2fs', ['-q', '-F', ...configs[2]!.args, now])
    expect(await diffFiles(old, now)).toMatchObject({ kind: 'new', changes: [] })
  })

  test('a directory whose tree of hashes was made anew has the same names', async () => {
    const directory = temporaryDirectory()
    const tree = path.join(directory, 'tree')
    mkdirSync(path.join(tree, 'many'), { recursive: true })
    for (let i = 0; i < 150; i++) writeFileSync(path.join(tree, 'many', `a name of a certain length ${i}`), '')
    const old = path.join(directory, 'old')
    const now = path.join(directory, 'now')
    e2fsprogs('mke2fs', ['-q', '-F', ...configs[2]!.args, '-d', tree, old, '6M'])
    copyFileSync(old, now)
    e2fsprogs('e2fsck', ['-fyD', now], [0, 1])
    const rebuilt = await diffFiles(old, now)
    expect(rebuilt.lines).toEqual([])
    expect(rebuilt.classes.directories).toBeGreaterThan(0)
    const commands = ['unlink "/many/a name of a certain length 7"', 'mkdir /many/new']
    debugfs(now, commands, ['-w'])
    const { lines, expected } = await diffFiles(old, now)
    expect(lines).toEqual(['added /many/new  ', 'deleted /many/a name of a certain length 7  '])
    expect(lines).toEqual(expected)
  })

  test('values of attributes in inodes of their own are attributes, no files', async () => {
    const directory = temporaryDirectory()
    const old = makeBase(directory, diceFor('ea_inode'), {
      ...configs[2]!,
      args: [...configs[2]!.args.slice(0, -1), 'ea_inode,metadata_csum,64bit'],
    })
    const value = path.join(directory, 'value')
    writeFileSync(value, Buffer.alloc(1024, 'v'))
    debugfs(old, [`ea_set -f ${value} /d1/f1 user.large`], ['-w'])
    const now = path.join(directory, 'now')
    copyFileSync(old, now)
    writeFileSync(value, Buffer.alloc(1024, 'w'))
    debugfs(now, [`ea_set -f ${value} /d1/f1 user.large`], ['-w'])
    const { lines, expected, classes } = await diffFiles(old, now)
    expect(lines).toEqual(['metadata /d1/f1 attributes '])
    expect(lines).toEqual(expected)
    expect(classes).toMatchObject({ attributes: 1024 })
  })
})
