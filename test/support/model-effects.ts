import {
  copyPages,
  type DiskContent,
  type FileNode,
  type InodeState,
  newPages,
  readPages,
  writePages,
} from './model-content.js'

// Effects on a model disk, in the order in which a program made them. Unless a sync came after it, each may have
// reached the disk or not when the power fails.

/** The unit that a disk writes whole or not at all. */
export const diskSectorSize = 512

export interface DataEffect {
  readonly kind: 'data'
  readonly inode: number
  readonly offset: number
  /** What was written; zeros for what a truncate cut off. */
  readonly bytes: Uint8Array
  /** Whole sectors around `bytes`, as they are after the effect: what the page cache sends to the disk. */
  readonly sectors: Uint8Array
  readonly sectorsOffset: number
}

export interface InodeEffect {
  readonly kind: 'inode'
  readonly inode: number
  readonly state: InodeState
}

/** Create, link, rename (two changes, atomic) and unlink. */
export interface NamesEffect {
  readonly kind: 'names'
  readonly directory: number
  readonly changes: readonly NameChange[]
  /** Of a create: the inode as it begins, empty. */
  readonly created?: { readonly inode: number; readonly state: InodeState }
}

export interface NameChange {
  readonly name: string
  /** null: the name goes. */
  readonly inode: number | null
}

export interface SyncFileEffect {
  readonly kind: 'syncFile'
  readonly inode: number
}

export interface SyncDirectoryEffect {
  readonly kind: 'syncDirectory'
  readonly directory: number
}

/** A whole file that `putFile` laid on the disk, durable at once. */
export interface PutEffect {
  readonly kind: 'put'
  readonly directory: number
  readonly name: string
  readonly inode: number
  /** Shares the pages of the live file as they were. */
  readonly file: FileNode
}

export type UnstampedEffect = DataEffect | InodeEffect | NamesEffect | SyncFileEffect | SyncDirectoryEffect | PutEffect

export type Effect = UnstampedEffect & {
  /** By the disk's clock, milliseconds. */
  readonly at: number
  /** For people: the call and the path it was made with. */
  readonly call: string
}

export function dataEffect(inode: number, file: FileNode, offset: number, length: number): DataEffect {
  const sectorsOffset = offset - (offset % diskSectorSize)
  const end = Math.ceil((offset + length) / diskSectorSize) * diskSectorSize
  const sectors = new Uint8Array(end - sectorsOffset)
  readPages(file.data, sectorsOffset, sectors)
  const bytes = sectors.subarray(offset - sectorsOffset, offset - sectorsOffset + length)
  return { kind: 'data', inode, offset, bytes, sectors, sectorsOffset }
}

export function applyNames(content: DiskContent, { directory, changes }: NamesEffect): void {
  const { names } = content.directories.get(directory)!
  for (const { name, inode } of changes) {
    if (inode === null) names.delete(name)
    else names.set(name, inode)
  }
}

/** A created inode is there at once, without a name until its names effect is applied. */
export function addCreated(content: DiskContent, { created }: NamesEffect): void {
  if (created === undefined) return
  content.files.set(created.inode, { state: created.state, data: newPages() })
  content.nextInode = Math.max(content.nextInode, created.inode + 1)
}

export interface CreateEffect extends NamesEffect {
  readonly created: { readonly inode: number; readonly state: InodeState }
}

/** Make an empty file and its name. */
export function createFile(content: DiskContent, directory: number, name: string, state: InodeState): CreateEffect {
  const inode = content.nextInode
  const effect: CreateEffect = { kind: 'names', directory, changes: [{ name, inode }], created: { inode, state } }
  addCreated(content, effect)
  applyNames(content, effect)
  return effect
}

export function addPut(content: DiskContent, { directory, name, inode, file }: PutEffect): void {
  content.files.set(inode, { state: file.state, data: copyPages(file.data) })
  content.directories.get(directory)!.names.set(name, inode)
  content.nextInode = Math.max(content.nextInode, inode + 1)
}

/** Lay all bytes that a data effect sends to the disk, or one of its sectors, on it. */
export function applyData(content: DiskContent, effect: DataEffect, sector?: number): void {
  const { data } = content.files.get(effect.inode)!
  const start = sector === undefined ? 0 : sector * diskSectorSize
  const end = sector === undefined ? effect.sectors.length : start + diskSectorSize
  writePages(data, effect.sectorsOffset + start, effect.sectors.subarray(start, end))
}
