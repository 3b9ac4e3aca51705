import {
  compressedFlag,
  compressedPlace,
  copiedFlag,
  entryOffset,
  isBadStandardEntry,
  type Qcow2Header,
  zeroFlag,
} from '../../../formats/qcow2/index.js'
import type { ReferenceVisitor } from './reference-visitor.js'
import type { FindingList } from './report.js'

/** The image of an L2 entry, and what receives what it names. */
export interface EntryVisit {
  readonly header: Qcow2Header
  readonly fileSize: number
  readonly visitor: ReferenceVisitor
  readonly findings: FindingList | null
}

function wrong({ findings }: EntryVisit, message: string): void {
  findings?.add('damage', 'QCOW2_ENTRY', message)
}

/**
 * Visit the clusters that an L2 entry names, and report an entry that is wrong.
 *
 * @param view      a table in memory, with the entry at `at`
 * @param isActive  it is an entry of the active tables, not of a snapshot
 */
export function visitEntry(
  to: EntryVisit,
  view: DataView,
  at: number,
  guestOffset: number,
  isActive: boolean,
): Promise<void> | undefined {
  const [high, low] = [view.getUint32(at, false), view.getUint32(at + 4, false)]
  if ((high & compressedFlag) !== 0) {
    visitCompressed(to, high, low, guestOffset, isActive)
    return undefined
  }
  const { extendedL2, version, clusterSize } = to.header
  const offset = entryOffset(high, low)
  if (isBadStandardEntry(high, low, version >= 3 && !extendedL2)) {
    wrong(to, `the L2 entry of guest offset ${guestOffset} has reserved bits set`)
  }
  const stored = extendedL2 ? view.getUint32(at + 12, false) : (low & zeroFlag) === 0 ? 1 : 0
  if (extendedL2 && ((stored & view.getUint32(at + 8, false)) !== 0 || (stored !== 0 && offset === 0))) {
    wrong(to, `the subclusters of guest offset ${guestOffset} contradict each other`)
  }
  if (offset === 0) {
    if (high >= copiedFlag) wrong(to, `the L2 entry of guest offset ${guestOffset} names a cluster at offset 0`)
    return undefined
  }
  if (offset % clusterSize !== 0 || offset >= to.fileSize) {
    wrong(to, `the cluster of guest offset ${guestOffset}, at ${offset}, is not on a cluster inside the file`)
    return undefined
  }
  to.visitor.uses(offset, clusterSize, 'data')
  if (!isActive) return undefined
  to.visitor.guestCluster(offset, false)
  return to.visitor.copied(offset, high >= copiedFlag, guestOffset)
}

function visitCompressed(to: EntryVisit, high: number, low: number, guestOffset: number, isActive: boolean): void {
  const place = compressedPlace(high, low, to.header.clusterBits)
  if (place === null || place.offset < to.header.clusterSize || place.offset >= to.fileSize) {
    wrong(to, `the compressed cluster of guest offset ${guestOffset} is not inside the file`)
    return
  }
  if (high >= copiedFlag) {
    to.findings?.add(
      'damage',
      'QCOW2_COPIED',
      `the compressed cluster of guest offset ${guestOffset} has the flag of an uncompressed one`,
    )
  }
  const start = place.offset - (place.offset % 512)
  to.visitor.uses(start, place.end - start, 'data')
  if (isActive) to.visitor.guestCluster(place.offset, true)
}
