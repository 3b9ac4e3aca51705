import { printablePath } from '../../../../bytes/escape.js'
import type { Finding } from '../../../../machine/findings.js'
import type { HostPath } from '../../../../machine/host-files.js'
import type { Overlay } from '../../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../../overlays/resolve-backing.js'
import { findDependents, findPlainDependents } from '../../../../overlays/siblings/dependents.js'
import {
  qcow2OverlaysOn,
  type Sibling,
  type SiblingSearch,
  type UnknownFile,
} from '../../../../overlays/siblings/sibling-search.js'
import { readPadded } from '../../../../stores/block-store.js'
import type { InPlaceOptions } from '../options.js'

/** Find siblings that the merge would damage, and files that may be siblings. */
export function findSiblingTrouble(search: SiblingSearch, backing: LocatedFile, options: InPlaceOptions): Finding[] {
  const fresh = search.siblings.filter(({ state }) => state === 'fresh')
  const findings: Finding[] = []
  const isDevice = backing.facts.kind === 'blockDevice'
  if (fresh.length > 0 && (isDevice || !options.keepSiblings)) {
    const names = fresh.map(({ path }) => printablePath(path))
    findings.push({
      code: 'SIBLINGS',
      message: `${printablePath(backing.path)}: is the backing file of ${listed(names)} too, which the merge would damage`,
      force: 'siblings',
      hint: isDevice
        ? 'the siblings of a block device cannot be kept: remove them, or merge into a new file'
        : 'add --keep-siblings: they then keep what they show now',
    })
  }
  const { unknown } = search
  const others = unknown.filter(({ isQcow2 }) => !isQcow2)
  return [...findings, ...tellUnknown(others, backing, unknownHint(options)), ...findQcow2Trouble(search, backing)]
}

/**
 * Find qcow2 overlays on the backing file, and qcow2 images that may be such. umlcow does not change them, so it can
 * keep none; and QEMU does not notice that a backing file has changed.
 */
export function findQcow2Trouble(search: SiblingSearch, backing: LocatedFile): Finding[] {
  const unknown = search.unknown.filter(({ isQcow2 }) => isQcow2)
  return [...findQcow2Siblings(search, backing), ...tellUnknown(unknown, backing, qcow2Hint)]
}

function findQcow2Siblings(search: SiblingSearch, backing: LocatedFile): Finding[] {
  const names = qcow2OverlaysOn(search, backing.facts).map(({ path }) => printablePath(path))
  if (names.length === 0) return []
  const message =
    `${printablePath(backing.path)}: is the backing file of the qcow2 overlay ${listed(names)} too, which the merge ` +
    'would damage'
  const hint =
    'umlcow cannot keep qcow2 overlays: convert them to images without a backing file, or merge into a new file'
  return [{ code: 'SIBLINGS', message, force: 'siblings', hint }]
}

/** Name at most this many files. Report only the number of the rest. */
const mostTold = 20

const qcow2Hint =
  'see with "qemu-img info" whether it has this backing file; --force=siblings leaves it as it is, and QEMU does not ' +
  'notice that a backing file has changed'

function tellUnknown(unknown: readonly UnknownFile[], backing: LocatedFile, hint: string): Finding[] {
  const common = { code: 'SIBLING_UNKNOWN', force: 'siblings', hint } as const
  const name = printablePath(backing.path)
  const told = unknown.slice(0, mostTold).map(({ path, reason }): Finding => {
    const message = `${printablePath(path)}: cannot tell whether it is another overlay on ${name}: ${reason}`
    return { ...common, message }
  })
  const left = unknown.length - told.length
  if (left > 0) told.push({ ...common, message: `${name}: cannot tell whether ${left} more files are overlays on it` })
  return told
}

function unknownHint({ backingRoot }: InPlaceOptions): string {
  const root = backingRoot === undefined ? 'for overlays of a chroot jail name it with --backing-root; ' : ''
  return `${root}--force=siblings leaves them as they are, and the kernel refuses those that are on this backing file`
}

/** Find overlays on the overlay itself that the merge would damage. */
export function findChainTrouble(
  overlay: Overlay,
  search: SiblingSearch,
  { afterwards }: Pick<InPlaceOptions, 'afterwards'>,
): Finding[] {
  const hint = 'leave out --delete: the overlay stays then, and so does what they show'
  if (afterwards === 'delete') return findDependents(overlay, search, hint)
  return afterwards === 'reset'
    ? findPlainDependents({ ...overlay, format: 'cow' }, search, 'merge without emptying the overlay')
    : []
}

/** List the first names, then the number of the rest. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostTold).join(', ')
  return names.length <= mostTold ? shown : `${shown} and ${names.length - mostTold} more`
}

/** Find siblings that cannot take old sectors. A sibling or undo overlay takes only 512-byte sectors with a bit. */
export async function findUnfit(
  overlay: Overlay,
  kept: readonly Sibling[],
  options: InPlaceOptions,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const unfit = (path: HostPath, message: string) =>
    findings.push({ code: 'SIBLING_UNFIT', message: `${printablePath(path)}: ${message}` })
  if (overlay.header.sectorSize !== 512 && (kept.length > 0 || options.backup !== undefined)) {
    unfit(
      overlay.path,
      `its sector size is ${overlay.header.sectorSize}; only with 512 can siblings be kept or an undo overlay be made`,
    )
    return findings
  }
  for (const sibling of kept) {
    if (sibling.header.sectorSize !== 512) {
      unfit(
        sibling.path,
        `its sector size is ${sibling.header.sectorSize}, which the kernel misreads: it cannot be kept`,
      )
    } else if (await touchesBitless(overlay, sibling)) {
      unfit(sibling.path, 'the merge changes the last sectors, for which its version has no bits: it cannot be kept')
    }
  }
  return findings
}

/** Versions 1 and 2 may have no bits for the last 1 to 7 sectors. True when the overlay has one of these allocated. */
async function touchesBitless(overlay: Overlay, sibling: Sibling): Promise<boolean> {
  const { layout, store } = overlay
  const first = sibling.layout.bitCount
  if (first >= layout.bitCount) return false
  const last = new Uint8Array(1)
  await readPadded(store, layout.bitmapOffset + Math.floor(first / 8), last)
  return last[0]! % 2 ** (layout.bitCount - first) !== 0
}
