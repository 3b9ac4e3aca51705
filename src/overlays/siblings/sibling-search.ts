import { type FileFacts, isSameFile } from '../../machine/host-files.js'
import type { Overlay } from '../open-overlay.js'
import type { LocatedFile } from '../resolve-backing.js'

/** An overlay that shares a backing file with another; its store is closed. */
export interface Sibling extends Omit<Overlay, 'store'> {
  /** Absolute, links resolved. */
  readonly path: Buffer
  /**
   * `fresh`: the kernel would open it. `stale`: its header already disagrees with the backing file. `undo`: umlcow made
   * it to undo a merge.
   */
  readonly state: 'fresh' | 'stale' | 'undo'
}

/** An overlay on another file. */
export interface OtherOverlay extends Omit<Overlay, 'store'> {
  readonly path: Buffer
  /** The files that its header leads to. */
  readonly targets: readonly LocatedFile[]
}

/** A qcow2 image with a backing file. It records no mtime, so only its path tells which file that is. */
export interface Qcow2Sibling {
  readonly path: Buffer
  /** The files that its header leads to: on this host, and in the jail. */
  readonly targets: readonly LocatedFile[]
  /** The recorded format of the backing file; null for none. */
  readonly backingFormat: string | null
}

export interface SiblingSearch {
  readonly siblings: readonly Sibling[]
  /** Whatever their backing files are. `qcow2OverlaysOn` picks those on one file. */
  readonly qcow2: readonly Qcow2Sibling[]
  /** Files that may be siblings, and why umlcow cannot be sure. */
  readonly unknown: readonly UnknownFile[]
  readonly others: readonly OtherOverlay[]
}

export interface UnknownFile {
  readonly path: Buffer
  readonly reason: string
  /** It is a qcow2 image, whose backing file QEMU compares with nothing. */
  readonly isQcow2: boolean
}

/** Pick the overlays found whose backing file is this one. This file may itself be an overlay. */
export function overlaysOn(search: SiblingSearch, file: FileFacts): readonly OtherOverlay[] {
  return search.others.filter(({ targets }) => targets.some(({ facts }) => isSameFile(facts, file)))
}

/** Pick the qcow2 overlays found whose backing file is this one. */
export function qcow2OverlaysOn(search: SiblingSearch, file: FileFacts): readonly Qcow2Sibling[] {
  return search.qcow2.filter(({ targets }) => targets.some(({ facts }) => isSameFile(facts, file)))
}
