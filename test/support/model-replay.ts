import { copyContent, type DiskContent, type InodeState } from './model-content.js'
import {
  addCreated,
  addPut,
  applyData,
  applyNames,
  type DataEffect,
  type Effect,
  type InodeEffect,
  type NamesEffect,
} from './model-effects.js'

export interface Numbered<T> {
  /** Place in the log. */
  readonly index: number
  readonly effect: T
}

/** The disk after a prefix of the log: what is durable, and by inode and directory what is not. */
export interface Replay {
  readonly position: number
  /** Created inodes are in it from their creation, empty; names lead to them when these are durable. */
  readonly durable: DiskContent
  readonly data: ReadonlyMap<number, readonly Numbered<DataEffect>[]>
  /** Different states that an inode has had, oldest first. */
  readonly inodes: ReadonlyMap<number, readonly Numbered<InodeEffect>[]>
  readonly names: ReadonlyMap<number, readonly Numbered<NamesEffect>[]>
  /** @param prefix  not before the position */
  advance(prefix: number): void
}

export function createReplay(initial: DiskContent, log: readonly Effect[]): Replay {
  const durable = copyContent(initial)
  const data = new Map<number, Numbered<DataEffect>[]>()
  const inodes = new Map<number, Numbered<InodeEffect>[]>()
  const names = new Map<number, Numbered<NamesEffect>[]>()
  let position = 0

  function syncFile(inode: number): void {
    for (const { effect } of data.get(inode) ?? []) applyData(durable, effect)
    const newest = inodes.get(inode)?.at(-1)
    if (newest !== undefined) durable.files.get(inode)!.state = newest.effect.state
    data.delete(inode)
    inodes.delete(inode)
  }
  function syncDirectory(directory: number): void {
    for (const { effect } of names.get(directory) ?? []) applyNames(durable, effect)
    names.delete(directory)
  }
  function changeInode(index: number, effect: InodeEffect): void {
    const before = inodes.get(effect.inode)?.at(-1)?.effect ?? durable.files.get(effect.inode)!
    // The same record again is no other state of the disk.
    if (!sameState(before.state, effect.state)) append(inodes, effect.inode, { index, effect })
  }
  function apply(index: number, effect: Effect): void {
    switch (effect.kind) {
      case 'data':
        append(data, effect.inode, { index, effect })
        break
      case 'inode':
        changeInode(index, effect)
        break
      case 'names':
        addCreated(durable, effect)
        append(names, effect.directory, { index, effect })
        break
      case 'syncFile':
        syncFile(effect.inode)
        break
      case 'syncDirectory':
        syncDirectory(effect.directory)
        break
      case 'put':
        addPut(durable, effect)
    }
  }

  return {
    get position() {
      return position
    },
    durable,
    data,
    inodes,
    names,
    advance(prefix) {
      for (; position < prefix; position++) apply(position, log[position]!)
    },
  }
}

function append<T>(lists: Map<number, T[]>, key: number, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function sameState(a: InodeState, b: InodeState): boolean {
  return (
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.permissions === b.permissions &&
    a.owner === b.owner &&
    a.group === b.group
  )
}
