import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import type { FileSystemUsage } from '../../verbs/files/file-system-usage.js'
import { fileSystemWords } from '../reports/file-system-words.js'
import { humanSize } from './human-size.js'
import { nameKeys } from './json-names.js'
import { isoTime, secondsTime } from './time-style.js'

/** How to show a file system: sizes for people; inodes in the place of bytes. */
export interface UsageStyle {
  readonly isHuman?: boolean | undefined
  readonly countsInodes?: boolean | undefined
}

/** Write the two lines of `df -P`, and what else a superblock says. */
export function usageText(image: string, usage: FileSystemUsage, style: UsageStyle): string {
  return `${tableOf(image, usage, style)}\n${detailLines(usage).join('\n')}\n`
}

function tableOf(image: string, usage: FileSystemUsage, { isHuman, countsInodes }: UsageStyle): string {
  const { size, used, available, inodeCount, usedInodeCount, freeInodeCount } = usage
  const amount = (bytes: number) => (isHuman ? humanSize(bytes) : String(Math.ceil(bytes / 1024)))
  const columns = countsInodes
    ? [
        ['Inodes', String(inodeCount)],
        ['IUsed', String(usedInodeCount)],
        ['IFree', String(freeInodeCount)],
        ['IUse%', percent(usedInodeCount, freeInodeCount)],
      ]
    : [
        [isHuman ? 'Size' : '1024-blocks', amount(size)],
        ['Used', amount(used)],
        [isHuman ? 'Avail' : 'Available', amount(available)],
        [isHuman ? 'Use%' : 'Capacity', percent(used, available)],
      ]
  const name = printablePath(image)
  const width = Math.max('Filesystem'.length, name.length)
  const mounted = usage.superblock.lastMounted.length === 0 ? '-' : printablePath(usage.superblock.lastMounted)
  const widths = columns.map(([title = '', value = '']) => Math.max(title.length, value.length))
  const line = (first: string, index: number, last: string) =>
    `${[first.padEnd(width), ...columns.map((column, i) => column[index]!.padStart(widths[i]!)), last].join(' ')}\n`
  return line('Filesystem', 0, 'Mounted on') + line(name, 1, mounted)
}

/** As df: rounded up, of what users other than root can fill. */
function percent(used: number, available: number): string {
  return used + available === 0 ? '-' : `${Math.ceil((used / (used + available)) * 100)}%`
}

function detailLines(usage: FileSystemUsage): string[] {
  const { superblock, kind, uuid, state, features, findings, journalSize, reserved, inodeCount, usedInodeCount } = usage
  const time = (seconds: number) => (seconds === 0 ? 'never' : secondsTime(seconds))
  return [
    `file system: ${fileSystemWords(kind, state)}`,
    `label: ${superblock.label.length === 0 ? 'none' : printablePath(superblock.label)}`,
    `UUID: ${uuid ?? 'none'}`,
    `made: ${time(superblock.makeTime)}`,
    `last mounted: ${time(superblock.mountTime)}`,
    `mounts since the last check: ${superblock.mountCount}`,
    `last written: ${time(superblock.writeTime)}`,
    `last checked: ${time(superblock.checkTime)}`,
    `reserved for root: ${formatSize(reserved)}`,
    `inodes: ${usedInodeCount} of ${inodeCount} used, ${superblock.inodeSize} bytes each`,
    `block size: ${formatSize(superblock.blockSize)}`,
    `journal: ${journalSize === 0 ? 'none' : formatSize(journalSize)}`,
    `features: ${features.join(' ')}`,
    ...findings.map(({ message }) => `note: ${message}`),
  ]
}

/** Keys of `df --json`. Schema: docs/schema/df.json */
export function usageDocument(image: string, usage: FileSystemUsage): Record<string, unknown> {
  const { superblock } = usage
  const time = (seconds: number) => (seconds === 0 ? null : isoTime({ seconds, nanoseconds: 0 }))
  return {
    ...nameKeys('image', Buffer.from(image)),
    type: usage.kind,
    ...nameKeys('label', superblock.label),
    uuid: usage.uuid,
    state: usage.state,
    size: usage.size,
    used: usage.used,
    free: usage.free,
    reserved: usage.reserved,
    available: usage.available,
    inodes: usage.inodeCount,
    'used-inodes': usage.usedInodeCount,
    'free-inodes': usage.freeInodeCount,
    'inode-size': superblock.inodeSize,
    'block-size': superblock.blockSize,
    'block-count': superblock.blockCount,
    'journal-size': usage.journalSize,
    features: usage.features,
    ...nameKeys('last-mounted-on', superblock.lastMounted),
    'mount-count': superblock.mountCount,
    made: time(superblock.makeTime),
    'last-mounted': time(superblock.mountTime),
    'last-written': time(superblock.writeTime),
    'last-checked': time(superblock.checkTime),
    findings: usage.findings,
  }
}
