import { printablePath } from '../../bytes/escape.js'
import type { ImageFormat } from '../../images/image-formats.js'
import type { Finding } from '../../machine/findings.js'
import type { FileFacts } from '../../machine/host-files.js'
import type { Overlay } from '../open-overlay.js'
import { type OtherOverlay, overlaysOn, qcow2OverlaysOn, type SiblingSearch } from './sibling-search.js'

// An overlay may be the backing file of other overlays; only umlcow reads such chains. The others lose content when
// this overlay loses its changes or its file. When only its header changes, they show the same and need its new mtime.

/** Name at most this many files. Report only the number of the rest. */
const mostTold = 20

/** The file that others may need, and the size of the image in it. */
interface Base extends Pick<Overlay, 'path' | 'facts'> {
  readonly header: { readonly virtualSize: number }
}

/** Find each overlay that needs this one unchanged, qcow2 overlays too. @param hint  what the user can do instead */
export function findDependents(base: Base, search: SiblingSearch, hint: string): Finding[] {
  const name = printablePath(base.path)
  const certain = overlaysOn(search, base.facts)
  const needed = [...certain, ...qcow2OverlaysOn(search, base.facts)].map(({ path }): Finding => {
    const message = `${name}: is the backing file of ${printablePath(path)}, which would no longer show what it shows now`
    return { code: 'OVERLAY_NEEDED', message, force: 'siblings', hint }
  })
  const doubtful = search.others.filter((one) => !certain.includes(one) && mayBeOn(one, base))
  const unknown = doubtful.map(({ path }): Finding => {
    const message =
      `${printablePath(path)}: cannot tell whether its backing file is ${name}: its header has the size and ` +
      'modification time of that file, and its path leads to no file that fits'
    return { code: 'SIBLING_UNKNOWN', message, force: 'siblings' }
  })
  return [...needed, ...unknown]
}

/**
 * Find the overlays that read the image's file as plain data, as the kernel does. Any change of the file changes what
 * they show. COW files with the size of the image in it read it with --chain. qcow2 images record the format. QEMU has
 * no driver for COW files, so a qcow2 image that records none reads them as plain data, too.
 */
export function findPlainDependents(
  base: Base & { readonly format: ImageFormat },
  search: SiblingSearch,
  hint: string,
): Finding[] {
  const chained = base.header.virtualSize === base.facts.size ? null : base.header.virtualSize
  const others = overlaysOn(search, base.facts).filter(({ header }) => header.virtualSize !== chained)
  const qcow2 = search.qcow2.filter(
    ({ backingFormat }) => backingFormat === 'raw' || (backingFormat === null && base.format === 'cow'),
  )
  return findDependents(base, { ...search, others, qcow2 }, hint)
}

/** True when its path leads to no fitting file from here, but may lead to this overlay inside a chroot jail. */
function mayBeOn({ header, targets }: OtherOverlay, { facts, header: { virtualSize } }: Base): boolean {
  const isFitting = (file: Pick<FileFacts, 'size' | 'mtime'>) =>
    header.mtime === file.mtime && header.virtualSize === file.size
  if (targets.some((one) => isFitting(one.facts))) return false
  return isFitting(facts) || isFitting({ size: virtualSize, mtime: facts.mtime })
}

/** Warn about each overlay on one whose header gets another mtime. */
export function dependentWarnings(base: Pick<Base, 'path' | 'facts'>, search: SiblingSearch): string[] {
  return overlaysOn(search, base.facts).map(
    ({ path }) =>
      `${printablePath(path)}: shows what it showed, but the modification time of its backing file ` +
      `${printablePath(base.path)} has changed; use it with --force=mtime`,
  )
}

/** Warn about each overlay on one that has another backing file now. */
export function rebasedWarnings(base: Pick<Base, 'path' | 'facts'>, search: SiblingSearch): string[] {
  return [...overlaysOn(search, base.facts), ...qcow2OverlaysOn(search, base.facts)].map(
    ({ path }) =>
      `${printablePath(path)}: its backing file ${printablePath(base.path)} now has another backing file itself; ` +
      'what it shows may have changed',
  )
}

/** Warn about files that may be overlays on this one. */
export function dependentDoubts({ path }: Pick<Base, 'path'>, { unknown }: SiblingSearch): string[] {
  const name = printablePath(path)
  const told = unknown.slice(0, mostTold).map((one) => {
    return `${printablePath(one.path)}: cannot tell whether it is an overlay on ${name}: ${one.reason}`
  })
  const left = unknown.length - told.length
  return left === 0 ? told : [...told, `${name}: cannot tell whether ${left} more files are overlays on it`]
}
