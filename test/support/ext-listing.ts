import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { ExtFileSystem, ExtInode } from '../../src/core.js'
import { debugfs } from './ext-images.js'

// What this reader and debugfs say about all files of a file system, in the same words.

/** All facts about one inode. */
export interface ExtFacts {
  /** As debugfs prints it with "stat", what both know. */
  readonly stat: string
  /** All blocks in the order of the map, with the blocks of the map itself. */
  readonly blocks: string
  readonly attributes: string
}

export interface ExtListing {
  /** Lines of "ls -l -p", for each directory by its number. */
  readonly directories: Map<number, string[]>
  readonly inodes: Map<number, ExtFacts>
}

const typeBits = { fifo: 1, character: 2, directory: 4, block: 6, file: 8, symlink: 10, socket: 12 } as const
const typeNames = {
  fifo: 'FIFO',
  character: 'character special',
  directory: 'directory',
  block: 'block special',
  file: 'regular',
  symlink: 'symlink',
  socket: 'socket',
} as const

/** A name as debugfs prints it with "ls -l -p". */
export function lineOf(inode: ExtInode, name: Uint8Array): string {
  const mode = (typeBits[inode.type!] * 4096 + inode.mode).toString(8).padStart(6, '0')
  // debugfs shows ids as signed numbers, and no size of directories.
  const size = inode.type === 'directory' ? '' : inode.size
  return `/${inode.number}/${mode}/${inode.uid | 0}/${inode.gid | 0}/${Buffer.from(name).toString('latin1')}/${size}/`
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}

function statOf(inode: ExtInode): string {
  const time = (what: string, { seconds, nanoseconds }: { seconds: number; nanoseconds: number }) => {
    const epoch = (seconds - (seconds | 0)) / 2 ** 32
    return `${what}: 0x${hex(seconds)}${inode.extraSize > 0 ? `:${hex(nanoseconds * 4 + epoch)}` : ''}`
  }
  const parts = [
    typeNames[inode.type!],
    `0${(inode.mode % 0o10000).toString(8).padStart(3, '0')}`,
    `0x${inode.flags.toString(16)}`,
    inode.generation,
    inode.uid | 0,
    inode.gid | 0,
    inode.size,
    inode.linkCount,
    ...(['ctime', 'atime', 'mtime'] as const).map((what) => time(what, inode[what])),
  ]
  if (inode.crtime !== null) parts.push(time('crtime', inode.crtime))
  if (inode.device !== null) parts.push(`${inode.device.major}:${inode.device.minor}`)
  return parts.join(' ')
}

/** What this reader says. */
export async function ownListing(files: ExtFileSystem): Promise<ExtListing> {
  const listing: ExtListing = { directories: new Map(), inodes: new Map() }
  const left = [await files.inode(2)]
  while (left.length > 0) {
    const directory = left.pop()!
    const lines: string[] = []
    for await (const names of files.entries(directory)) {
      const inodes = await files.inodesOf(names.map(({ inode }) => inode))
      for (const [i, inode] of inodes.entries()) {
        lines.push(lineOf(inode, names[i]!.name))
        if (!listing.inodes.has(inode.number)) {
          listing.inodes.set(inode.number, await factsOf(files, inode))
          if (inode.type === 'directory') left.push(inode)
        }
      }
    }
    listing.directories.set(directory.number, lines)
  }
  return listing
}

/** The lines of one directory, as this reader has it. */
export async function ownNames(files: ExtFileSystem, directory: ExtInode): Promise<string[]> {
  const lines: string[] = []
  for await (const names of files.entries(directory)) {
    const inodes = await files.inodesOf(names.map(({ inode }) => inode))
    for (const [i, inode] of inodes.entries()) lines.push(lineOf(inode, names[i]!.name))
  }
  return lines
}

/** The same as debugfs has it. */
export function debugfsNames(image: string, directory: number): string[] {
  return listedLines(debugfs(image, [`ls -l -p <${directory}>`])[0]!)
}

async function factsOf(files: ExtFileSystem, inode: ExtInode): Promise<ExtFacts> {
  const blocks: number[] = []
  for await (const extents of files.extents(inode, { onMapBlock: (block) => blocks.push(block) })) {
    for (const { physical, unwrittenAt, length } of extents) {
      const start = physical ?? unwrittenAt
      if (start !== null) for (let i = 0; i < length; i++) blocks.push(start + i)
    }
  }
  const attributes = (await files.attributes(inode)).map(({ name, value }) => {
    return `${Buffer.from(name).toString('latin1')} ${Buffer.from(value).toString('hex')}`
  })
  return { stat: statOf(inode), blocks: blocks.join(' '), attributes: attributes.sort().join('\n') }
}

/** What debugfs says about the same files. */
export function debugfsListing(image: string, own: ExtListing): ExtListing {
  const numbers = [...own.inodes.keys()]
  const directories = [...own.directories.keys()]
  const commands = [
    ...directories.map((number) => `ls -l -p <${number}>`),
    ...numbers.flatMap((number) => [`stat <${number}>`, `blocks <${number}>`, `ea_list <${number}>`]),
  ]
  const outputs = debugfs(image, commands)
  const listing: ExtListing = { directories: new Map(), inodes: new Map() }
  for (const number of directories) listing.directories.set(number, listedLines(outputs.shift()!))
  const lists = numbers.map((number) => {
    const [stat, blocks, list] = outputs.splice(0, 3) as [string, string, string]
    // For devices and fast links, debugfs takes the words of the inode for blocks.
    const hasMap = /Type: (regular|directory|symlink)/.test(stat) && !stat.includes('Fast link dest')
    listing.inodes.set(number, { stat: parseStat(stat), blocks: hasMap ? parseBlocks(blocks) : '', attributes: '' })
    const names = [...list.matchAll(/^ {2}(\S+) \(\d+\)/gm)].map((match) => match[1]!)
    // Inline data is content, not an attribute.
    return { number, names: names.filter((name) => name !== 'system.data') }
  })
  const wanted = lists.flatMap(({ number, names }) => names.map((name) => ({ number, name })))
  const values = debugfs(
    image,
    wanted.map(({ number, name }) => `ea_get -x <${number}> ${name}`),
  )
  for (const [i, { number, name }] of wanted.entries()) {
    const facts = listing.inodes.get(number)!
    const value = values[i]!.replace(/^.*? = /s, '').replaceAll(/\s/g, '')
    const attributes = [...facts.attributes.split('\n'), `${name} ${value}`].filter((text) => text !== '')
    listing.inodes.set(number, { ...facts, attributes: attributes.sort().join('\n') })
  }
  return listing
}

/** The lines of "ls -l -p", without `.` and `..`. */
export function listedLines(text: string): string[] {
  return [...text.matchAll(/\/\d+\/\d{6}\/-?\d+\/-?\d+\/[^/]+\/\d*\//gs)]
    .map(([found]) => found)
    .filter((found) => !/^((\/[^/]*){4}\/\.\.?\/|\/0\/)/.test(found))
}

function parseBlocks(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ')
}

function parseStat(text: string): string {
  const field = (name: string, pattern = String.raw`\S+`) =>
    new RegExp(`${name}:\\s+(${pattern})`).exec(text)?.[1] ?? `no ${name}`
  const times = ['ctime', 'atime', 'mtime', 'crtime']
    .filter((name) => new RegExp(`\\b${name}:`).test(text))
    .map((name) => `${name}: ${new RegExp(`\\b${name}: (0x\\S+)`).exec(text)?.[1]}`)
  const type = /Type: (.*?) +Mode/.exec(text)?.[1]
  const names = ['Mode', 'Flags', 'Generation', 'User', 'Group', 'Size', 'Links']
  const device = /Device major\/minor number: 0*(\d+):0*(\d+)/.exec(text)
  const parts = [type, ...names.map((name) => field(name)), ...times]
  return [...parts, ...(device === null ? [] : [`${device[1]}:${device[2]}`])].join(' ')
}

/**
 * The content of all files and the targets of all links, as digests by path.
 *
 * @param most  bytes of a file; a damaged one may seem to have more zeros than anyone can wait for
 */
export async function ownContents(files: ExtFileSystem, most = 2 ** 27): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const target = Buffer.alloc(200_000)
  const seen = new Set<number>()
  const visit = async (directory: ExtInode, above: string): Promise<void> => {
    // A damaged directory may have one above it as an entry.
    if (seen.has(directory.number)) return
    seen.add(directory.number)
    for await (const names of files.entries(directory)) {
      for (const { name, inode: number } of names) {
        const inode = await files.inode(number)
        const shown = `${above}/${Buffer.from(name).toString('latin1')}`
        if (inode.type === 'directory') await visit(inode, shown)
        else if (inode.type === 'symlink') found.set(shown, Buffer.from(await files.readLink(inode)).toString('latin1'))
        else if (inode.type === 'file') found.set(shown, await digestOf(files, inode, target, most))
      }
    }
  }
  await visit(await files.inode(2), '')
  return found
}

async function digestOf(files: ExtFileSystem, inode: ExtInode, target: Buffer, most: number): Promise<string> {
  const hash = createHash('sha256')
  let at = 0
  while (at < most) {
    const length = await files.read(inode, at, target)
    if (length === 0) break
    hash.update(target.subarray(0, length))
    at += length
  }
  return `${at} ${hash.digest('hex')}`
}

/** The same of a directory on this host. */
export function hostContents(top: string): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (directory: Buffer, above: string): void => {
    for (const name of fs.readdirSync(directory, { encoding: 'buffer' })) {
      const file = Buffer.concat([directory, Buffer.from('/'), name])
      const shown = `${above}/${name.toString('latin1')}`
      const stats = fs.lstatSync(file)
      if (stats.isDirectory()) visit(file, shown)
      else if (stats.isSymbolicLink()) found.set(shown, fs.readlinkSync(file, 'latin1'))
      else if (stats.isFile()) {
        const bytes = fs.readFileSync(file)
        found.set(shown, `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`)
      }
    }
  }
  visit(Buffer.from(top), '')
  return found
}
