import { printablePath } from '../../bytes/escape.js'
import type { ExtInode, ExtTime } from '../../formats/ext/index.js'
import { fullMode, modeText } from '../../formats/manifest/index.js'
import type { ListedFile } from '../../verbs/files/list-directories.js'
import type { OwnerNames } from '../../verbs/files/owner-names.js'
import type { Painter } from './colours.js'
import { humanSize } from './human-size.js'

/** How to write the lines of `ls`. */
export interface ListStyle {
  readonly isLong: boolean
  readonly showsInodes: boolean
  readonly isHuman: boolean
  readonly time: (time: ExtTime) => string
  /** Null: numbers. */
  readonly ownerNames: OwnerNames | null
  /** Null: no colours. */
  readonly paint: Painter | null
}

/** The columns of one file before they are aligned. A device has two numbers in the place of its size. */
type Column = 'inode' | 'links' | 'user' | 'group' | 'size' | 'major' | 'minor'
type Row = Readonly<Record<Column, string>>

/** Write the lines of a directory, aligned as GNU ls aligns them. */
export function* listLines(files: readonly ListedFile[], style: ListStyle): Generator<string> {
  const rows = files.map(({ inode }) => rowOf(inode, style))
  const width = (column: Column) => rows.reduce((most, row) => Math.max(most, row[column].length), 0)
  const inodeWidth = width('inode')
  const inodeOf = (row: Row) => (style.showsInodes ? `${row.inode.padStart(inodeWidth)} ` : '')
  if (!style.isLong) {
    for (const [i, file] of files.entries()) yield `${inodeOf(rows[i]!)}${nameOf(file, style)}\n`
    return
  }
  const rest = longColumns(style, width)
  const modeOf = modeTexts()
  const hasAccessLists = files.some((file) => file.hasAccessList)
  for (const [i, file] of files.entries()) {
    const { inode, hasAccessList, target } = file
    const mark = hasAccessList ? '+' : hasAccessLists ? ' ' : ''
    const link = inode.type !== 'symlink' ? '' : ` -> ${target === null ? '?' : printablePath(target)}`
    const mode = `${modeOf(inode)}${mark}`
    yield `${inodeOf(rows[i]!)}${mode} ${rest(rows[i]!, inode)} ${nameOf(file, style)}${link}\n`
  }
}

/** Write modes. A directory has many files and few modes. */
function modeTexts(): (inode: ExtInode) => string {
  const known = new Map<number, string>()
  return ({ type, mode }) => {
    const key = type === null ? -1 - mode : fullMode(type, mode)
    const text = known.get(key) ?? modeText(type, mode)
    known.set(key, text)
    return text
  }
}

/** Make the function that aligns the columns from the links to the time. */
function longColumns(style: ListStyle, width: (column: Column) => number): (row: Row, inode: ExtInode) => string {
  const [links, user, group, minor] = [width('links'), width('user'), width('group'), width('minor')]
  const major = width('major')
  const size = Math.max(width('size'), major === 0 ? 0 : major + 2 + minor)
  const { ownerNames, time } = style
  // Names stand at the left of their column, numbers at the right.
  const owner = (text: string, length: number, name: string | null | undefined) =>
    name == null ? text.padStart(length) : text.padEnd(length)
  return (row, inode) => {
    const isDevice = row.major !== ''
    const numbers = `${row.major.padStart(size - 2 - minor)}, ${row.minor.padStart(minor)}`
    return [
      row.links.padStart(links),
      owner(row.user, user, ownerNames?.user(inode.uid)),
      owner(row.group, group, ownerNames?.group(inode.gid)),
      isDevice ? numbers : row.size.padStart(size),
      time(inode.mtime),
    ].join(' ')
  }
}

function rowOf(inode: ExtInode, { ownerNames, isHuman }: ListStyle): Row {
  const { device } = inode
  return {
    inode: String(inode.number),
    links: String(inode.linkCount),
    user: ownerNames?.user(inode.uid) ?? String(inode.uid),
    group: ownerNames?.group(inode.gid) ?? String(inode.gid),
    size: device !== null ? '' : isHuman ? humanSize(inode.size) : String(inode.size),
    major: device === null ? '' : String(device.major),
    minor: device === null ? '' : String(device.minor),
  }
}

function nameOf({ name, inode }: ListedFile, { paint }: ListStyle): string {
  const shown = printablePath(name)
  return paint === null ? shown : paint(name, inode, shown)
}

/** The line above a long listing: what the files take on the disk. */
export function totalLine(files: readonly ListedFile[], { isHuman }: ListStyle): string {
  const total = files.reduce((sum, { inode }) => sum + inode.allocatedSize, 0)
  return `total ${isHuman ? humanSize(total) : Math.ceil(total / 1024)}\n`
}
