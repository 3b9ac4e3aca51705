import { escapeJson, printablePath } from '../../bytes/escape.js'
import { type ExtInode, type ExtTime, extFlagNames } from '../../formats/ext/index.js'
import { modeText } from '../../formats/manifest/index.js'
import type { FileStatus } from '../../verbs/files/stat-files.js'
import { inodeKeys } from './inode-keys.js'
import { nameKeys } from './json-names.js'
import { fullTime, isoTime } from './time-style.js'

const typeWords: Readonly<Record<string, string>> = {
  file: 'regular file',
  directory: 'directory',
  symlink: 'symbolic link',
  character: 'character special file',
  block: 'block special file',
  fifo: 'fifo',
  socket: 'socket',
}

/** Write files in the form of stat(1), with what only ext has in lines of its own. */
export async function* statText(statuses: AsyncIterable<FileStatus>): AsyncGenerator<string> {
  for await (const status of statuses) {
    const { inode, blockSize, path, target } = status
    const link = target === null ? '' : ` -> ${printablePath(target)}`
    const device = inode.device === null ? '' : `  Device type: ${inode.device.major},${inode.device.minor}`
    yield `${[
      `  File: ${printablePath(path)}${link}`,
      `  Size: ${pad(inode.size, 10)}\tBlocks: ${pad(inode.allocatedSize / 512, 10)} IO Block: ${pad(blockSize, 6)} ${
        typeWords[inode.type ?? ''] ?? 'weird file'
      }`,
      ` Inode: ${pad(inode.number, 10)}\tLinks: ${pad(inode.linkCount, 5)}${device}`.trimEnd(),
      accessLine(status),
      `Access: ${fullTime(inode.atime)}`,
      `Modify: ${fullTime(inode.mtime)}`,
      `Change: ${fullTime(inode.ctime)}`,
      ` Birth: ${inode.crtime === null ? '-' : fullTime(inode.crtime)}`,
      ...(await extLines(status)),
    ].join('\n')}\n`
  }
}

function accessLine({ inode, user, group }: FileStatus): string {
  const mode = `(${octal(inode.mode)}/${modeText(inode.type, inode.mode)})`
  const owner = (id: number, name: string | null) =>
    `(${String(id).padStart(5)}${name === null ? '' : `/${name.padStart(8)}`})`
  return `Access: ${mode}  Uid: ${owner(inode.uid, user)}   Gid: ${owner(inode.gid, group)}`
}

/** What only ext has. */
async function extLines(status: FileStatus): Promise<string[]> {
  const { inode, attributes } = status
  const flags = extFlagNames(inode.flags)
  const lines = [`Extents: ${await countExtents(status)}  Generation: ${inode.generation}`]
  if (inode.projectId !== null) lines[0] += `  Project: ${inode.projectId}`
  if (flags.length > 0) lines.push(`Flags: ${flags.join(', ')}`)
  for (const { name, value } of attributes) {
    lines.push(`Attribute: ${printablePath(name)} (${value.length} bytes)`)
  }
  return lines
}

async function countExtents(status: FileStatus): Promise<number> {
  let count = 0
  for await (const extents of status.extents()) count += extents.length
  return count
}

function pad(value: number, width: number): string {
  return String(value).padEnd(width)
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

/** Write one JSON document. Extents are written as they come: a file can have more than memory holds. */
export async function* statJson(statuses: AsyncIterable<FileStatus>): AsyncGenerator<string> {
  let separator = '['
  for await (const status of statuses) {
    const keys = escapeJson(JSON.stringify(statusKeys(status)))
    yield `${separator}${keys.slice(0, -1)},"extents":[`
    separator = ',\n'
    let isFirst = true
    for await (const extents of status.extents()) {
      const texts = extents.map(({ logical, physical, unwrittenAt, length }) =>
        JSON.stringify({ logical, physical: physical ?? unwrittenAt, length, unwritten: physical === null }),
      )
      yield `${isFirst ? '' : ','}\n${texts.join(',\n')}`
      isFirst = false
    }
    yield ']}'
  }
  yield ']\n'
}

function statusKeys(status: FileStatus): Record<string, unknown> {
  const { path, inode, target, user, group, blockSize, attributes } = status
  return {
    ...nameKeys('path', path),
    ...inodeKeys(inode),
    ...timeKeys(inode),
    ...(user === null ? {} : { user }),
    ...(group === null ? {} : { group }),
    ...(target === null ? {} : nameKeys('target', target)),
    'block-size': blockSize,
    generation: inode.generation,
    'project-id': inode.projectId,
    flags: inode.flags,
    'flag-names': extFlagNames(inode.flags),
    attributes: attributes.map(({ name, value }) => ({
      ...nameKeys('name', name),
      'value-base64': Buffer.from(value).toString('base64'),
    })),
  }
}

function timeKeys({ atime, ctime, crtime }: ExtInode): Record<string, string | null> {
  const text = (time: ExtTime | null) => (time === null ? null : isoTime(time))
  return { atime: text(atime), ctime: text(ctime), crtime: text(crtime) }
}
