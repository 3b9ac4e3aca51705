import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import type { ExtBlockClass, ExtChange, ExtChangeStatus } from '../../filesystems/ext/index.js'
import type { ComparedRange } from '../../images/compare-ranges.js'
import type { FileDiff } from '../../verbs/diff/index.js'
import type { FilePatch } from '../../verbs/diff/patch.js'
import { nameKeys } from '../listing/json-names.js'

const letters: Record<ExtChangeStatus, string> = {
  added: 'A',
  deleted: 'D',
  modified: 'M',
  metadata: 'm',
  renamed: 'R',
  linked: 'L',
  unlinked: 'U',
  type: 'T',
  moved: 'V',
}

/** More ranges of a file than this are counted, not listed. */
const maxShown = 4

function shownPath(path: Uint8Array): string {
  return `/${printablePath(path)}`
}

/** One line: the letter, the path before and the path, and what changed, between tabs. */
export function changeLine(change: ExtChange, { isNameOnly = false } = {}): string {
  const { status, path, oldPath } = change
  if (isNameOnly) return shownPath(path)
  const parts = [letters[status]]
  if (oldPath !== null) parts.push(shownPath(oldPath))
  parts.push(shownPath(path))
  const details = detailsOf(change)
  if (details !== '') parts.push(details)
  return parts.join('\t')
}

function detailsOf({ fields, ranges, rangeCount, status, oldType, newType, replaces }: ExtChange): string {
  const parts: string[] = []
  if (status === 'type') parts.push(`${oldType} -> ${newType}`)
  const shown = ranges.slice(0, maxShown).map(({ start, end }) => `${start}-${end}`)
  if (rangeCount > maxShown) shown.push(`${rangeCount - maxShown} more`)
  if (shown.length > 0) parts.push(`bytes ${shown.join(',')}`)
  if (fields.length > 0) parts.push(fields.join(','))
  if (replaces && status !== 'type') parts.push('replaced')
  return parts.join('; ')
}

/** The heading of a file above its lines: the whole report of a file without lines. */
export function patchHeading(change: ExtChange, patch: FilePatch | null): string {
  const why = {
    text: '',
    binary: ' (binary files differ)',
    large: ' (large files differ)',
    encrypted: ' (encrypted files)',
  }
  return `${changeLine(change)}${patch === null ? '' : why[patch.kind]}\n`
}

const classNames: Record<ExtBlockClass, string> = {
  fileData: 'file data',
  directories: 'directories',
  attributes: 'extended attributes',
  maps: 'block maps',
  inodeTables: 'inode tables',
  bitmaps: 'bitmaps',
  descriptors: 'group descriptors',
  superblocks: 'superblocks',
  journal: 'journal',
  orphanFile: 'orphan file',
  resizeInode: 'resize inode',
  other: 'other',
  free: 'free space',
  outside: 'outside the file system',
}

/** How many files of each status, and how many bytes of each class. */
export function diffStatText({ changes, classes, changedLength, sameLength }: FileDiff): string {
  const lines: string[] = []
  for (const [status, letter] of Object.entries(letters)) {
    const count = changes.filter((change) => change.status === status).length
    if (count > 0) lines.push(`${letter} ${status}: ${count}`)
  }
  for (const [name, shown] of Object.entries(classNames)) {
    const length = classes[name as ExtBlockClass]
    if (length > 0) lines.push(`${formatSize(length).padStart(10)}  ${shown}`)
  }
  lines.push(`${formatSize(changedLength).padStart(10)}  in all blocks that differ`)
  if (sameLength > 0) lines.push(`${formatSize(sameLength).padStart(10)}  compared and equal`)
  return `${lines.join('\n')}\n`
}

/** Schema: docs/schema/diff.json */
export function fileDiffDocument({ kind, changes, classes, changedLength, sameLength, notes }: FileDiff): unknown {
  return {
    'file-system': kind,
    changes: changes.map(changeDocument),
    'changed-length': changedLength,
    'same-length': sameLength,
    classes: Object.fromEntries(Object.entries(classes).map(([name, length]) => [hyphened(name), length])),
    notes,
  }
}

function changeDocument({ path, oldPath, ranges, ...change }: ExtChange): unknown {
  return {
    status: change.status,
    ...nameKeys('path', fromRoot(path)),
    ...(oldPath === null ? { 'old-path': null } : nameKeys('old-path', fromRoot(oldPath))),
    'old-inode': change.oldInode,
    'new-inode': change.newInode,
    'old-type': change.oldType,
    'new-type': change.newType,
    'old-size': change.oldSize,
    'new-size': change.newSize,
    fields: change.fields,
    ranges: ranges.map(({ start, end }) => ({ start, length: end - start })),
    'range-count': change.rangeCount,
    moved: change.isMoved,
    replaces: change.replaces,
  }
}

/** Write a path of a file system from its root directory. */
export function fromRoot(path: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('/'), path])
}

/** Write a name of the library as the documents do: `fileData` as `file-data`. */
function hyphened(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

export async function* rangeLines(ranges: AsyncIterable<ComparedRange>): AsyncGenerator<string> {
  for await (const { start, end, isSame } of ranges) {
    yield `${start}\t${end - start}\t${isSame ? 'same' : 'changed'}\n`
  }
}

/** Format ranges as one document, without keeping them. Schema: docs/schema/diff.json */
export async function* rangesJson(virtualSize: number, ranges: AsyncIterable<ComparedRange>): AsyncGenerator<string> {
  let [changedLength, sameLength] = [0, 0]
  yield `{\n  "virtual-size": ${virtualSize},\n  "ranges": [`
  let separator = '\n'
  for await (const { start, end, isSame } of ranges) {
    if (isSame) sameLength += end - start
    else changedLength += end - start
    yield `${separator}    ${JSON.stringify({ start, length: end - start, same: isSame })}`
    separator = ',\n'
  }
  yield `${separator === '\n' ? '' : '\n  '}],\n  "changed-length": ${changedLength},\n  "same-length": ${sameLength}\n}\n`
}
