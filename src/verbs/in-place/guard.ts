import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { countTouched } from '../../engine/count-allocated.js'
import { executeSteps } from '../../engine/execute.js'
import { planCopyUpSize } from '../../engine/plan-copy-up.js'
import { cowMagicOrder } from '../../formats/cow/index.js'
import { type Finding, inspectBacking } from '../../host/backing.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../host/host-files.js'
import { type Overlay, openInput, readHeaderBytes } from '../../host/open-overlay.js'
import { directoryName } from '../../host/path-bytes.js'
import { type LocatedFile, resolveBackingPath } from '../../host/resolve-backing.js'
import { findSiblings, type Sibling, type SiblingSearch } from '../../host/siblings.js'
import { findMergeOf, unfinishedFindings } from '../../host/unfinished-merge.js'
import { readPadded } from '../../stores/block-store.js'
import { findUsersOf } from './find-users.js'
import type { InPlaceOptions } from './options.js'
import { withSibling } from './work.js'

/** Everything that matters to a merge in place, looked at and not touched. */
export interface Survey {
  readonly overlay: Overlay
  /** Null when there is no such file: then there is a finding. */
  readonly backing: LocatedFile | null
  readonly leadsToBacking: boolean
  readonly search: SiblingSearch
  /** The siblings that the merge keeps whole. */
  readonly kept: readonly Sibling[]
  readonly findings: readonly Finding[]
}

/** Look at everything that may speak against a merge in place. */
export async function survey(files: HostFiles, overlay: Overlay, options: InPlaceOptions): Promise<Survey> {
  const inspection = await inspectBacking(files, overlay, options)
  const findings = inspection.findings.map(withoutSizeForce)
  const backing = inspection.located
  findings.push(...findOverlayKind(overlay), ...(await findOwnMerge(files, overlay.path, findings)))
  if (backing === null) {
    findings.push(...findUsersOf(files, [overlay]))
    return { overlay, backing, leadsToBacking: false, search: { siblings: [], unknown: [] }, kept: [], findings }
  }
  const search = await findSiblings(files, overlay, backing, options)
  const kept = options.keepSiblings ? search.siblings.filter(({ state }) => state === 'fresh') : []
  const leadsToBacking = await leadsTo(files, overlay, backing.facts, options)
  findings.push(...findUsersOf(files, [overlay, backing, ...kept]))
  findings.push(...findSiblingTrouble(search, backing, options), ...(await findUnfit(overlay, kept, options)))
  findings.push(...findOwnership(backing), ...(await findCow(files, backing)))
  if (!leadsToBacking && options.afterwards === 'reset') findings.push(otherBacking(overlay, backing))
  const rest: Survey = { overlay, backing, leadsToBacking, search, kept, findings }
  // What does not fit together need not be measured.
  if (findings.length > 0) return rest
  return { ...rest, findings: await findRoom(files, rest, options) }
}

/** Another size cannot be overridden: sectors would come to lie beyond the end. */
function withoutSizeForce(finding: Finding): Finding {
  if (finding.force !== 'size') return finding
  const { force: _, ...rest } = finding
  return rest
}

function findOverlayKind(overlay: Overlay): Finding[] {
  if (overlay.facts.kind === 'file') return []
  const message = `${printablePath(overlay.path)}: is a block device; merge it into a new file instead`
  return [{ code: 'NOT_A_FILE', message }]
}

/** The overlay's own journal, unless the marker beside the backing file has led there already. */
async function findOwnMerge(files: HostFiles, path: HostPath, known: readonly Finding[]): Promise<Finding[]> {
  const found = await unfinishedFindings(findMergeOf, files, path)
  return found.filter(({ message }) => known.every((one) => one.message !== message))
}

async function leadsTo(
  files: HostFiles,
  overlay: Overlay,
  facts: FileFacts,
  options: InPlaceOptions,
): Promise<boolean> {
  try {
    const located = await resolveBackingPath(files, overlay.path, overlay.header.backingPath, options)
    return located !== null && isSameFile(located.facts, facts)
  } catch {
    return false // It leads to two files, or nowhere that we may look.
  }
}

function findSiblingTrouble(search: SiblingSearch, backing: LocatedFile, options: InPlaceOptions): Finding[] {
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
  for (const { path, reason } of search.unknown) {
    findings.push({
      code: 'SIBLING_UNKNOWN',
      message: `${printablePath(path)}: cannot tell whether it is another overlay on ${printablePath(backing.path)}: ${reason}`,
      force: 'siblings',
    })
  }
  return findings
}

/** A few names in full, then how many more. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length <= 20 ? shown : `${shown} and ${names.length - 20} more`
}

/** Siblings, and an undo overlay, hold sectors of 512 bytes that have a bit. */
async function findUnfit(overlay: Overlay, kept: readonly Sibling[], options: InPlaceOptions): Promise<Finding[]> {
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

function findOwnership({ path, facts }: LocatedFile): Finding[] {
  const user = process.geteuid?.() ?? 0
  if (facts.kind === 'blockDevice' || user === 0 || user === facts.owner) return []
  const message = `${printablePath(path)}: belongs to user ${facts.owner}; only its owner or root may set its modification time`
  return [{ code: 'NOT_OWNER', message }]
}

async function findCow(files: HostFiles, backing: LocatedFile): Promise<Finding[]> {
  if (backing.facts.kind !== 'file' && backing.facts.kind !== 'blockDevice') return []
  const input = await openInput(files, backing.path)
  try {
    if (cowMagicOrder(await readHeaderBytes(input.store)) === null) return []
  } finally {
    await input.store.close()
  }
  const message = `${printablePath(backing.path)}: is itself a COW file; such chains cannot be merged in place`
  return [{ code: 'BACKING_IS_COW', message, hint: 'merge into a new file with --chain' }]
}

function otherBacking(overlay: Overlay, backing: LocatedFile): Finding {
  return {
    code: 'BACKING_OTHER',
    message: `${printablePath(overlay.path)}: its header does not lead to ${printablePath(backing.path)}, so it cannot be emptied: over its own backing file it would lose its changes`,
  }
}

/** What the merge may have to store, for each file system it writes to. An upper bound: holes may be there already. */
async function findRoom(
  files: HostFiles,
  { overlay, backing, kept }: Survey,
  options: InPlaceOptions,
): Promise<Finding[]> {
  if (backing === null) return []
  const needs = new Map<string, { path: HostPath; bytes: number }>()
  const need = (path: HostPath, device: bigint, bytes: number) => {
    const known = needs.get(String(device))
    needs.set(String(device), { path: known?.path ?? path, bytes: (known?.bytes ?? 0) + bytes })
  }
  const { header, layout, store } = overlay
  const touched = await countTouched({ overlay: store, header, layout }, options.signal)
  const holes = Math.max(0, backing.facts.size - backing.facts.allocatedSize)
  if (backing.facts.kind === 'file') need(backing.path, backing.facts.device, Math.min(touched, holes))
  for (const sibling of kept) {
    const result = { bytes: 0 }
    await withSibling({ files }, sibling, 'read', async (opened) => {
      const { store: source } = overlay
      const inputs = { overlay, sibling: opened, backing: source, virtualSize: header.virtualSize }
      await executeSteps(planCopyUpSize(inputs, result), { signal: options.signal })
    })
    need(sibling.path, sibling.facts.device, result.bytes)
  }
  if (options.backup !== undefined) {
    const directory = directoryName(options.backup)
    need(directory, (await files.stat(directory)).device, touched)
  }
  const findings: Finding[] = []
  for (const { path, bytes } of needs.values()) {
    const free = await files.freeSpace(path)
    if (bytes <= free) continue
    findings.push({
      code: 'NO_ROOM',
      message: `the file system of ${printablePath(path)} has ${formatSize(free)} free, and the merge may need ${formatSize(bytes)}`,
      force: 'room',
      hint: `free ${formatSize(bytes - free)} there`,
    })
  }
  return findings
}
