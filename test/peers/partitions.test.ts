import { spawnSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readContents } from '../../src/filesystems/contents.js'
import { findFileSystem } from '../../src/filesystems/find-file-system.js'
import { type Image, openExt, openImage } from '../../src/index.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers, type Peer } from '../support/peers.js'

function run(program: Peer, args: readonly string[], input = ''): string {
  const done = spawnSync(program, args, { input, encoding: 'utf8', env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/sbin' } })
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.status}: ${done.stdout}${done.stderr}`)
  return done.stdout
}

async function withImage<T>(file: string, use: (image: Image) => Promise<T>): Promise<T> {
  await using image = await openImage(file)
  return await use(image)
}

function newImage(size: number): string {
  const file = path.join(temporaryDirectory(), 'disk')
  writeFileSync(file, '')
  truncateSync(file, size)
  return file
}

interface Sfdisk {
  readonly label: string
  readonly id: string
  readonly partitions: readonly {
    readonly node: string
    readonly start: number
    readonly size: number
    readonly type: string
    readonly uuid?: string
    readonly name?: string
    readonly bootable?: boolean
  }[]
}

/** sfdisk ends with a sync of all disks of the host, which has no limit in time. eatmydata leaves that out. */
function writeTable(file: string, script: string): void {
  run('/usr/bin/eatmydata', ['/usr/sbin/sfdisk', '--quiet', file], script)
}

/** What sfdisk lists, in the words of umlcow. */
function sfdiskTable(file: string) {
  const { partitiontable } = JSON.parse(run('/usr/sbin/sfdisk', ['--json', file])) as { partitiontable: Sfdisk }
  return {
    kind: partitiontable.label === 'dos' ? 'mbr' : partitiontable.label,
    uuid: partitiontable.id.replace('0x', '').toLowerCase(),
    findings: [],
    partitions: partitiontable.partitions.map(({ node, start, size, type, uuid, name, bootable }) => ({
      number: Number(node.slice(file.length)),
      start: start * 512,
      length: size * 512,
      type: type.toLowerCase(),
      ...(uuid === undefined ? {} : { uuid: uuid.toLowerCase(), name: name ?? null }),
      ...(bootable === undefined ? {} : { isBootable: bootable }),
    })),
  }
}

const scripts: Record<string, string> = {
  'dos with logical partitions': `label: dos
label-id: 0x12abcdef
start=2048, size=4096, type=83, bootable
start=8192, size=20480, type=5
start=30720, size=1024, type=82
start=10240, size=2048, type=83
start=14336, size=2048, type=8e
start=18432, size=2048, type=7
`,
  'dos, an empty extended partition': 'label: dos\nstart=2048, size=20480, type=f\n',
  gpt: `label: gpt
size=1M, type=U, name="EFI \u00e4"
size=5M, type=L, name="a name of thirty-six characters, all"
size=1M, type=S
`,
  'gpt, few entries': 'label: gpt\ntable-length: 4\nsize=1M, type=L\n',
}

describe.runIf(havePeers('/usr/sbin/sfdisk', '/usr/bin/eatmydata'))('partition tables', () => {
  test.each(Object.entries(scripts))('as sfdisk lists them: %s', async (_, script) => {
    const file = newImage(20 * 2 ** 20)
    writeTable(file, script)
    const { fileSystem, table } = await withImage(file, readContents)
    expect(fileSystem).toBeNull()
    expect(table).toMatchObject(sfdiskTable(file))
  })

  test.runIf(havePeers('/usr/sbin/mke2fs'))('hold ext4, which umlcow finds', async () => {
    const file = newImage(20 * 2 ** 20)
    writeTable(file, 'label: gpt\nsize=2M\nsize=8M\n')
    run('/usr/sbin/mke2fs', ['-qF', '-t', 'ext4', '-L', 'second', '-E', `offset=${3 * 2 ** 20}`, file, '8M'])
    await withImage(file, async (disk) => {
      const { image, partition } = await findFileSystem(disk)
      expect(partition).toMatchObject({ number: 2, start: 3 * 2 ** 20, length: 8 * 2 ** 20 })
      const { superblock } = await openExt(image)
      expect(Buffer.from(superblock.label).toString()).toBe('second')
    })
  })
})

type Maker = readonly [name: string, peer: Peer, size: number, args: readonly string[]]

const makers: readonly Maker[] = [
  ['ext2', '/usr/sbin/mke2fs', 2 ** 20, ['-q', '-t', 'ext2', '-L', 'sixteen letters.']],
  ['ext3', '/usr/sbin/mke2fs', 2 ** 23, ['-q', '-t', 'ext3']],
  ['ext4', '/usr/sbin/mke2fs', 2 ** 23, ['-q', '-t', 'ext4', '-L', 'a label']],
  ['ext4 without a journal', '/usr/sbin/mke2fs', 2 ** 23, ['-q', '-t', 'ext4', '-O', '^has_journal']],
  ['a journal of ext4', '/usr/sbin/mke2fs', 2 ** 23, ['-q', '-O', 'journal_dev', '-b', '4096', '-L', 'log']],
  ['btrfs', '/usr/sbin/mkfs.btrfs', 2 ** 27, ['-q', '-L', 'one']],
  ['swap', '/usr/sbin/mkswap', 2 ** 20, ['-L', 'swap of all']],
  ['swap, other pages', '/usr/sbin/mkswap', 2 ** 20, ['-p', '16384']],
  ['FAT12', '/usr/sbin/mkfs.vfat', 2 ** 21, ['-F', '12', '-n', 'TWELVE']],
  ['FAT16', '/usr/sbin/mkfs.vfat', 2 ** 24, ['-F', '16']],
  ['FAT32', '/usr/sbin/mkfs.vfat', 2 ** 26, ['-F', '32', '-n', 'THIRTYTWO', '-i', '0badcafe']],
]

async function facts(file: string) {
  const { fileSystem } = await withImage(file, readContents)
  if (fileSystem === null) return null
  const { type, uuid, label } = fileSystem
  return { TYPE: type, UUID: uuid ?? undefined, LABEL: label === null ? undefined : Buffer.from(label).toString() }
}

function blkid(file: string) {
  const lines = run('/usr/sbin/blkid', ['-p', '-o', 'export', file]).split('\n')
  const values = new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  // blkid protects characters from shells.
  const value = (name: string) => values.get(name)?.replaceAll('\\', '')
  return { TYPE: value('TYPE'), UUID: value('UUID') ?? value('LOGUUID'), LABEL: value('LABEL') }
}

describe.runIf(havePeers('/usr/sbin/blkid'))('signatures', () => {
  for (const [name, peer, size, args] of makers) {
    test.runIf(havePeers(peer))(`as blkid sees them: ${name}`, async () => {
      const file = newImage(size)
      run(peer, [...args, file])
      expect(await facts(file)).toEqual(blkid(file))
    })
  }

  test.runIf(havePeers('/usr/bin/mksquashfs', '/usr/bin/bsdtar'))('as blkid sees them: squashfs, iso9660', async () => {
    const directory = temporaryDirectory()
    const tree = path.join(directory, 'tree')
    mkdirSync(tree)
    writeFileSync(path.join(tree, 'file'), 'content')
    const squashfs = path.join(directory, 'squashfs')
    run('/usr/bin/mksquashfs', [tree, squashfs, '-quiet', '-no-progress'])
    const iso = path.join(directory, 'iso')
    run('/usr/bin/bsdtar', ['-c', '--format', 'iso9660', '--options', 'volume-id=DISC', '-f', iso, '-C', tree, '.'])
    expect(await facts(squashfs)).toEqual(blkid(squashfs))
    expect(await facts(iso)).toEqual(blkid(iso))
  })
})
