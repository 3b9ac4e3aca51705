import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'

/** Devices, and owners other than oneself, take root. */
export const isRoot = process.geteuid?.() === 0

if (!isRoot) console.warn('SKIPPED: tests of humfs that need root: devices, and files of others')

/** Who the tests give trees to: anybody for root, oneself for others. */
export const owner = isRoot
  ? { user: '1000', group: '1001' }
  : { user: `${process.geteuid?.()}`, group: `${process.getegid?.()}` }

function program(name: string, ...args: string[]): void {
  const done = spawnSync(name, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${name} ${args.join(' ')}: ${done.stderr}`)
}

/** Node's own recursive removal knows only names that are UTF-8. */
export function removeTree(directory: string | Buffer): void {
  const facts = fs.lstatSync(directory, { throwIfNoEntry: false })
  if (facts === undefined) return
  if (!facts.isDirectory()) {
    fs.unlinkSync(directory)
    return
  }
  if (!isRoot) fs.chmodSync(directory, 0o700)
  for (const name of fs.readdirSync(directory, { encoding: 'buffer' })) {
    removeTree(Buffer.concat([Buffer.from(directory), Buffer.from('/'), name]))
  }
  fs.rmdirSync(directory)
}

/** A directory of its own for one test, for names of any bytes. */
export function scratchDirectory(): string {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'umlcow-test-')))
  onTestFinished(() => removeTree(directory))
  return directory
}

/** Names that a shell would make something of, and bytes that are no UTF-8. */
export const nastyNames: readonly Buffer[] = [
  'with blank',
  'two\nlines',
  '"quoted"',
  "it's",
  '$(touch OUT)',
  '`touch OUT`',
  'x;touch OUT',
  'a\\b',
  '*',
  '-rf',
  '--',
  '\t',
  'ünïcode',
  'file_metadata',
].map((name) => Buffer.from(name))

export const notUtf8 = Buffer.from([0x66, 0xff, 0xfe, 0x80])

/** `data/` with one of everything that is hard to keep. Without root, what needs it is left out. */
export function makeNastyTree(top: string): void {
  const data = path.join(top, 'data')
  const at = (...names: string[]) => path.join(data, ...names)
  fs.mkdirSync(at('dir', 'empty'), { recursive: true })
  fs.writeFileSync(at('plain'), 'plain')
  for (const name of [...nastyNames, notUtf8]) {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${data}/`), name]), name)
    fs.mkdirSync(Buffer.concat([Buffer.from(`${at('dir')}/`), name]))
    fs.writeFileSync(Buffer.concat([Buffer.from(`${at('dir')}/`), name, Buffer.from('/below')]), '')
  }
  fs.writeFileSync(at('metadata'), 'a file of this name')
  fs.symlinkSync('plain', at('dir', 'metadata'))
  fs.symlinkSync('/nowhere/at/all', at('dangling'))
  fs.symlinkSync('x'.repeat(4000), at('long link'))
  fs.symlinkSync('dir', at('link to directory'))
  fs.linkSync(at('plain'), at('dir', 'second name'))
  fs.linkSync(at('plain'), at('third name'))
  fs.linkSync(at('dangling'), at('second link'))
  program('mkfifo', at('fifo'))
  for (const [i, mode] of [0o4755, 0o2750, 0o6711, 0o1644, 0o600, 0o777].entries()) {
    fs.writeFileSync(at(`mode${i}`), '')
    fs.chmodSync(at(`mode${i}`), mode)
  }
  fs.mkdirSync(at('sticky'))
  fs.chmodSync(at('sticky'), 0o1777)
  fs.mkdirSync(at('setgid'))
  fs.chmodSync(at('setgid'), 0o2775)
  fs.writeFileSync(at('sparse'), '')
  fs.truncateSync(at('sparse'), 2 ** 22)
  makeSocket(at('socket'))
  if (isRoot) addRootOnly(at)
}

function addRootOnly(at: (...names: string[]) => string): void {
  program('mknod', at('null'), 'c', '1', '3')
  program('mknod', at('big'), 'c', '300', '3000')
  program('mknod', at('dir', 'disk'), 'b', '8', '1')
  program('mknod', at('bigger'), 'b', '4095', '1048575')
  fs.linkSync(at('big'), at('dir', 'second name of a device'))
  fs.linkSync(at('socket'), at('dir', 'second name of a socket'))
  fs.chownSync(at('dir', 'disk'), 0, 6)
  fs.chmodSync(at('dir', 'disk'), 0o660)
  fs.lchownSync(at('mode0'), 3_000_000_000, 50)
  fs.chmodSync(at('mode0'), 0o4755)
  fs.lchownSync(at('dangling'), 13, 14)
  fs.lchownSync(at('dir'), 71, 72)
  fs.lchownSync(at('plain'), 21, 4_294_967_294)
  fs.writeFileSync(at('mode000'), 'x')
  fs.chmodSync(at('mode000'), 0)
  fs.mkdirSync(at('closed'))
  fs.writeFileSync(at('closed', 'in it'), '')
  fs.chmodSync(at('closed'), 0)
}

/** A few names of each kind: for tests that take a run for each call. */
export function makeSmallTree(top: string): void {
  const at = (...names: string[]) => path.join(top, 'data', ...names)
  fs.mkdirSync(at('dir', 'empty'), { recursive: true })
  fs.writeFileSync(Buffer.concat([Buffer.from(`${at('dir')}/`), notUtf8]), 'x')
  fs.writeFileSync(at('metadata'), '')
  fs.chmodSync(at('metadata'), 0o6755)
  fs.linkSync(at('metadata'), at('dir', 'second name'))
  fs.symlinkSync('nowhere', at('dangling'))
  program('mkfifo', at('fifo'))
  makeSocket(at('socket'))
  fs.chmodSync(at('dir'), 0o1775)
  if (!isRoot) return
  program('mknod', at('big'), 'c', '300', '3000')
  fs.linkSync(at('big'), at('dir', 'second name of a device'))
  fs.lchownSync(at('dir'), 3_000_000_000, 50)
  fs.lchownSync(at('dangling'), 13, 14)
}

/**
 * A socket that nobody listens on. Node removes its name when it stops listening, so the name is another one by then. A
 * name has room for 107 bytes: the directory goes in as a descriptor.
 */
export function makeSocket(name: string): void {
  const directory = fs.openSync(path.dirname(name), 'r')
  try {
    const server = net.createServer().listen({ path: `/proc/self/fd/${directory}/s`, exclusive: true })
    fs.renameSync(path.join(path.dirname(name), 's'), name)
    server.close()
  } finally {
    fs.closeSync(directory)
  }
}

/** A path of 4,000 bytes in directories of one another. The names are short enough for `lstat` from the top. */
export function addLongPath(top: string, length: number): void {
  let here = Buffer.from(path.join(top, 'data'))
  fs.mkdirSync(here)
  let left = length
  while (left > 0) {
    const name = 'd'.repeat(Math.min(200, Math.max(1, left - 1)))
    here = Buffer.concat([here, Buffer.from(`/${name}`)])
    fs.mkdirSync(here)
    left -= name.length + 1
  }
}

export type Snapshot = Record<string, string>

/** Everything that `lstat` tells of a tree but times and inodes, with contents, link targets and which names are one file. */
export function snapshot(top: string): Snapshot {
  const result: Snapshot = {}
  const firstNames = new Map<string, string>()
  const visit = (file: Buffer, name: string): void => {
    const stats = fs.lstatSync(file, { bigint: true })
    const key = `${stats.dev}:${stats.ino}`
    const first = stats.isDirectory() || stats.nlink === 1n ? '' : (firstNames.get(key) ?? name)
    if (first !== '') firstNames.set(key, first)
    const facts = [stats.mode.toString(8), stats.uid, stats.gid, stats.rdev, stats.nlink, first]
    if (stats.isFile()) facts.push(contentOf(file, stats.size))
    else if (stats.isSymbolicLink()) facts.push(fs.readlinkSync(file, 'latin1'))
    result[name] = facts.join(' ')
    if (!stats.isDirectory()) return
    const names = fs.readdirSync(file, { encoding: 'buffer' }).sort(Buffer.compare)
    for (const own of names) {
      visit(Buffer.concat([file, Buffer.from('/'), own]), `${name}/${own.toString('latin1')}`)
    }
  }
  for (const own of fs.readdirSync(top).sort()) visit(Buffer.from(path.join(top, own)), own)
  return result
}

function contentOf(file: Buffer, size: bigint): string {
  return size > 100_000n ? `${size} bytes` : fs.readFileSync(file, 'latin1')
}
