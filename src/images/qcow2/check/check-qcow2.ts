import { nextTurn } from '../../../bytes/next-turn.js'
import { throwIfAborted } from '../../../errors.js'
import type { Qcow2Header } from '../../../formats/qcow2/index.js'
import type { BlockStore } from '../../../stores/block-store.js'
import type { ReferenceVisitor } from './reference-visitor.js'
import { walkReferences } from './references.js'
import { FindingList, type Qcow2Report } from './report.js'
import { openRefcounts, type RefcountOf } from './stored-refcounts.js'
import { UserCounts, windowClusters } from './user-counts.js'

/** Windows that are counted. Each needs a walk over all tables. 64 of them are a file of 8 TiB with usual clusters. */
const mostWindows = 64

/**
 * Check the tables and refcounts of a qcow2 image. It reads no data, and needs at most 24 MiB of memory.
 *
 * A cluster with more users than its refcount says is damage, one with fewer is waste, as for `qemu-img check`.
 *
 * @throws UmlcowError INTERRUPTED, and what the store throws
 */
export async function checkQcow2(store: BlockStore, header: Qcow2Header, signal?: AbortSignal): Promise<Qcow2Report> {
  const findings = new FindingList(store.name)
  const { clusterSize } = header
  const total = Math.ceil(store.size / clusterSize)
  const counts = new UserCounts(clusterSize, total)
  const refcountOf = openRefcounts(store, header)
  const guest = new GuestClusters(clusterSize)
  let imageEnd = 0
  const isCounted = total <= windowClusters * mostWindows
  for (let first = 0; first < total && (isCounted || first === 0); first += windowClusters) {
    const isFirst = first === 0
    counts.moveTo(first)
    const visitor: ReferenceVisitor = {
      uses: (offset, length, kind) => counts.add(offset, length, kind),
      copied: isFirst ? copiedCheck(clusterSize, refcountOf, findings) : () => undefined,
      guestCluster: isFirst ? (offset, isCompressed) => guest.add(offset, isCompressed) : () => {},
    }
    if (!(await walkReferences(store, header, visitor, isFirst ? findings : null, signal))) {
      findings.add('unknown', 'QCOW2_UNCOUNTED', 'its tables claim too many clusters to count their users')
      break
    }
    if (isCounted) imageEnd = (await compare(counts, first, refcountOf, findings, signal)) ?? imageEnd
  }
  if (!isCounted) findings.add('unknown', 'QCOW2_UNCOUNTED', 'the file has too many clusters to count their users')
  return {
    totalClusters: Math.ceil(header.virtualSize / clusterSize),
    allocatedClusters: guest.allocated,
    compressedClusters: guest.compressed,
    fragmentedClusters: guest.fragmented,
    imageEndOffset: isCounted ? imageEnd * clusterSize : store.size,
    findings: findings.findings,
    counts: findings.counts,
  }
}

/** Counts the clusters of the virtual disk that the file stores. */
class GuestClusters {
  readonly #clusterSize: number
  allocated = 0
  compressed = 0
  fragmented = 0
  #next = 0

  constructor(clusterSize: number) {
    this.#clusterSize = clusterSize
  }

  add(offset: number, isCompressed: boolean): void {
    this.allocated++
    // Compressed clusters never follow each other exactly.
    if (isCompressed) {
      this.compressed++
      this.fragmented++
      return
    }
    if (this.#next > 0 && offset !== this.#next) this.fragmented++
    this.#next = offset + this.#clusterSize
  }
}

function copiedCheck(clusterSize: number, refcountOf: RefcountOf, findings: FindingList): ReferenceVisitor['copied'] {
  const compareWith = (refcount: number, copied: boolean, offset: number, guestOffset: number) => {
    if ((refcount === 1) === copied) return
    const flag = copied ? 'set' : 'clear'
    const message = `the flag "refcount is 1" is ${flag} at guest offset ${guestOffset}, and the refcount at ${offset} is ${refcount}`
    findings.add('damage', 'QCOW2_COPIED', message)
  }
  return (offset, copied, guestOffset) => {
    const refcount = refcountOf(offset / clusterSize)
    if (typeof refcount !== 'number') return refcount.then((one) => compareWith(one, copied, offset, guestOffset))
    compareWith(refcount, copied, offset, guestOffset)
    return undefined
  }
}

/** Clusters between two turns of the event loop. */
const clustersPerTurn = 2 ** 16

/** Compare the counted users with the refcounts of a window. @returns the end of the last cluster with a user, or null */
async function compare(
  counts: UserCounts,
  first: number,
  refcountOf: RefcountOf,
  findings: FindingList,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let end: number | null = null
  for (let cluster = first; cluster < counts.end; cluster++) {
    if (cluster % clustersPerTurn === 0) {
      await nextTurn()
      throwIfAborted(signal)
    }
    const found = refcountOf(cluster)
    const refcount = typeof found === 'number' ? found : await found
    const users = counts.count(cluster)
    if (users > 0 || refcount > 0) end = cluster + 1
    if (users > refcount)
      findings.add('damage', 'QCOW2_REFCOUNT', `cluster ${cluster} has ${users} users, and its refcount is ${refcount}`)
    else if (users < refcount)
      findings.add('waste', 'QCOW2_LEAK', `cluster ${cluster} has ${users} users, and its refcount is ${refcount}`)
    if (counts.overlaps(cluster))
      findings.add('damage', 'QCOW2_OVERLAP', `cluster ${cluster} has two uses that exclude each other`)
  }
  return end
}
