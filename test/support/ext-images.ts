import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Dice } from './generate.js'
import { isRoot, makeSocket, nastyNames, notUtf8 } from './humfs-tree.js'

// File systems by this host's e2fsprogs, and what debugfs says about them.

export interface ExtConfig {
  readonly name: string
  /** Options of mke2fs. */
  readonly args: readonly string[]
  readonly size: string
}

const config = (name: string, size: string, args: string): ExtConfig => ({ name, size, args: args.split(' ') })

/** Every feature that mke2fs offers, with block sizes from 1 to 64 KiB, and inodes from 128 bytes to a block. */
export const extConfigs: readonly ExtConfig[] = [
  config('ext2, revision 0', '24M', '-r 0 -t ext2 -b 1024 -O none'),
  config('ext2, 1 KiB, no file types', '24M', '-t ext2 -b 1024 -I 128 -O ^filetype,^resize_inode'),
  config('ext2, 4 KiB, all copies', '24M', '-t ext2 -b 4096 -I 128 -O ^sparse_super,^resize_inode -g 2048'),
  config('ext3, 1 KiB', '24M', '-t ext3 -b 1024 -I 128'),
  config('ext3, 2 KiB', '24M', '-t ext3 -b 2048 -I 256'),
  config('ext4, 1 KiB', '24M', '-t ext4 -b 1024 -I 256 -O metadata_csum,64bit,metadata_csum_seed'),
  config('ext4, 4 KiB', '24M', '-t ext4 -b 4096 -I 256 -O metadata_csum,64bit,orphan_file'),
  config('ext4, 1.41', '24M', '-t ext4 -b 4096 -I 256 -O uninit_bg,^metadata_csum,^64bit'),
  config('ext4, 64-bit and uninit_bg', '24M', '-t ext4 -b 1024 -g 1024 -I 256 -O uninit_bg,^metadata_csum,64bit'),
  config('ext4, inline data', '24M', '-t ext4 -b 1024 -I 512 -O metadata_csum,inline_data,ea_inode'),
  config('ext4, inline data in 2 KiB', '24M', '-t ext4 -b 2048 -I 2048 -O inline_data,metadata_csum'),
  config('ext4, meta_bg', '24M', '-t ext4 -b 1024 -g 256 -O meta_bg,^resize_inode,metadata_csum,64bit'),
  config('ext4, meta_bg of 32 bytes', '24M', '-t ext4 -b 2048 -g 512 -O meta_bg,^resize_inode,^64bit,^flex_bg'),
  config('ext4, sparse_super2', '24M', '-t ext4 -b 1024 -g 2048 -O sparse_super2,^resize_inode -E num_backup_sb=2'),
  config('ext4, clusters', '24M', '-t ext4 -b 4096 -O bigalloc,metadata_csum -C 16384'),
  config('ext4, clusters of 1 KiB blocks', '24M', '-t ext4 -b 1024 -O bigalloc,64bit -C 8192'),
  config('ext4, 64 KiB', '48M', '-t ext4 -b 65536 -I 256 -O metadata_csum,64bit'),
  config('ext4, block maps', '24M', '-t ext4 -b 1024 -O ^extent,metadata_csum,^flex_bg,^64bit'),
  config(
    'ext4, all else',
    '24M',
    '-t ext4 -b 4096 -I 1024 -O quota,project,mmp,verity,casefold,encrypt,large_dir,dir_nlink,stable_inodes,ea_inode,metadata_csum,64bit',
  ),
]

/** Run a program of e2fsprogs. e2fsck has status 1 when it changed something. */
export function e2fsprogs(
  program: 'mke2fs' | 'debugfs' | 'e2fsck' | 'resize2fs',
  args: readonly string[],
  statuses = [0],
): Buffer {
  const done = spawnSync(`/usr/sbin/${program}`, args, { maxBuffer: 2 ** 28, env: { LC_ALL: 'C', TZ: 'UTC' } })
  if (!statuses.includes(done.status ?? -1)) {
    throw new Error(`${program} ${args.join(' ')}: status ${done.status}: ${done.stdout}${done.stderr}`)
  }
  return done.stdout
}

/** Make an image that holds a tree. */
export function makeExtImage(image: string, { args, size }: ExtConfig, tree: string): void {
  e2fsprogs('mke2fs', ['-q', '-F', ...args, '-E', 'lazy_itable_init=1', '-N', '1000', '-d', tree, image, size])
}

/** Run commands of debugfs on an image. @returns  what each printed, as one character for each byte */
export function debugfs(image: string, commands: readonly string[], options: readonly string[] = []): string[] {
  if (commands.length === 0) return []
  const script = `${image}.commands`
  fs.writeFileSync(script, `${commands.join('\n')}\n`, 'latin1')
  const text = e2fsprogs('debugfs', [...options, '-f', script, image]).toString('latin1')
  const outputs: string[] = []
  let at = 0
  for (const [i, command] of commands.entries()) {
    const start = text.indexOf(`debugfs: ${command}\n`, at)
    if (start < 0) throw new Error(`debugfs did not run ${command}`)
    at = start + command.length + 10
    const next = commands[i + 1]
    const end = next === undefined ? text.length : text.indexOf(`debugfs: ${next}\n`, at)
    outputs.push(text.slice(at, end))
  }
  return outputs
}

export interface ExtTreeOptions {
  /** Empty files in a directory of their own. */
  readonly manyCount?: number
  /** Where the last piece of the sparse file is. */
  readonly far?: number
}

/** So far that blocks of 1 KiB need the triple-indirect map. */
export const farInMap = 68_000_000

/** A tree with names of all bytes, all types, sparse and fragmented files, and links of all lengths. */
export function makeExtTree(top: string, dice: Dice, { manyCount = 150, far = 3_000_000 }: ExtTreeOptions = {}): void {
  const at = (...names: string[]) => path.join(top, ...names)
  const named = (name: Buffer) => Buffer.concat([Buffer.from(`${at('dir')}/`), name])
  fs.mkdirSync(at('dir', 'sub', 'deep'), { recursive: true })
  for (const name of [...nastyNames, notUtf8, Buffer.alloc(255, 'n')]) fs.writeFileSync(named(name), name)
  for (const size of [0, 1, 59, 60, 61, 120, 200, 1023, 1024, 4096, 70_000]) {
    const bytes = Buffer.alloc(size)
    dice.fill(bytes)
    fs.writeFileSync(at(`size${size}`), bytes)
  }
  for (const length of [1, 58, 59, 60, 61, 100, 900]) fs.symlinkSync('l'.repeat(length), at(`link${length}`))
  fs.symlinkSync('dir/sub', at('to directory'))
  fs.symlinkSync('/link in a circle', at('link in a circle'))
  fs.linkSync(at('size1'), at('dir', 'second name'))
  writePieces(at('sparse'), [1000, 30_000, 700_000, far])
  writePieces(
    at('fragmented'),
    Array.from({ length: 600 }, (_, i) => i * 8192),
  )
  fs.mkdirSync(at('many'))
  for (let i = 0; i < manyCount; i++) fs.writeFileSync(at('many', `a name of a certain length ${i}`), '')
  makeSocket(at('socket'))
  spawnSync('/usr/bin/mkfifo', [at('fifo')])
  for (const [i, mode] of [0o4755, 0o2750, 0o1777, 0].entries()) {
    fs.writeFileSync(at(`mode${i}`), `${i}`)
    fs.chmodSync(at(`mode${i}`), mode)
  }
  for (const [i, seconds] of [-5, 2 ** 31 - 1, 1_000_000_000].entries()) fs.utimesSync(at(`mode${i}`), 1, seconds)
  if (!isRoot) return
  for (const [name, ...numbers] of ['null c 1 3', 'big c 300 3000', 'disk b 8 1'].map((line) => line.split(' '))) {
    spawnSync('/usr/bin/mknod', [at(name!), ...numbers])
  }
  fs.chownSync(at('size1'), 3_000_000_000, 4_000_000_000)
}

function writePieces(file: string, places: readonly number[]): void {
  const descriptor = fs.openSync(file, 'w')
  for (const place of places) fs.writeSync(descriptor, `piece at ${place}`, place)
  fs.closeSync(descriptor)
}

/** Commands for debugfs -w that make what mke2fs does not: unwritten extents, holes, attributes, old device numbers. */
export function agingCommands(dice: Dice, source: string): string[] {
  const commands = ['ea_set /size59 user.one 1', `ea_set -f ${source} /size60 user.large`, 'ea_set /dir user.dir x']
  commands.push('mkdir /new', 'symlink /new/link target', 'cd /new', 'mknod pipe p', 'mknod old c 4 64')
  commands.push('sif /mode0 mtime_extra 0x7735939', 'sif /mode1 links_count 5', 'sif /size1 uid 70000')
  for (let i = 0; i < 30; i++) {
    const number = dice.below(150)
    commands.push(
      dice.once(3) ? `write ${source} /new/file${i}` : `unlink "/many/a name of a certain length ${number}"`,
    )
  }
  for (let i = 0; i < 6; i++) commands.push(`punch /fragmented ${dice.below(2000)} ${2000 + dice.below(1000)}`)
  for (let i = 0; i < 4; i++) commands.push(`fallocate /size70000 ${i * 200} ${i * 200 + dice.below(100)}`)
  commands.push(
    'fallocate /sparse 400 500',
    'ln /size1024 "/dir/third name"',
    'ea_set /new/link trusted.t y',
    'rm /size61',
  )
  return commands
}
