import { printablePath } from '../../bytes/escape.js'
import { isZero } from '../../bytes/zeros.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import { findTruncation } from '../../images/cow-image.js'
import { readHead } from '../../images/probe.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import { inspectBacking } from '../../overlays/inspect-backing.js'
import type { InputFile } from '../../overlays/open.js'
import { type FileImage, openBacking } from '../../overlays/open-image.js'
import type { Overlay } from '../../overlays/open-overlay.js'
import { findUnfinishedRewrite, undoRewrite } from '../../overlays/rewrite-header.js'
import { findMergeAround } from '../../overlays/unfinished/find-merge-around.js'
import { unfinishedFindings } from '../../overlays/unfinished/unfinished-merge.js'
import { type BlockStore, readPadded, writeExact } from '../../stores/block-store.js'
import { countSameSectors } from './count-equal-sectors.js'
import { fileSystemState } from './file-system-state.js'
import type { CheckOptions, Severity } from './options.js'

/** A finding, with its repair if there is a certain one. */
export interface Problem {
  readonly code: string
  readonly severity: Severity
  readonly message: string
  readonly mend?: (() => Promise<void>) | undefined
}

/** Find a header rewrite that a crash cut short. Its journal holds the old header, so the repair is certain. */
export async function checkRewrite(files: HostFiles, input: InputFile): Promise<Problem[]> {
  const state = await findUnfinishedRewrite(files, input.path, await readHead(input.store))
  if (state === 'none') return []
  const mend = () => undoRewrite(files, input.path, input.store)
  const shown = printablePath(input.path)
  if (state === 'torn') {
    const message = `${shown}: the rewrite of its header was cut short; the old one is in the journal beside it`
    return [{ code: 'UNFINISHED_REWRITE', severity: 'damage', message, mend }]
  }
  const message = `${shown}: a journal of a header rewrite is left over; the header is whole`
  return [{ code: 'LEFTOVER_JOURNAL', severity: 'waste', message, mend }]
}

/** Find a merge in place that a crash cut short. `merge --resume` finishes it. */
export async function checkUnfinished(files: HostFiles, path: HostPath): Promise<Problem[]> {
  const findings = await unfinishedFindings(findMergeAround, files, path)
  return findings.map(({ code, message, hint }) => ({ code, severity: 'damage', message: withHint(message, hint) }))
}

function withHint(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message}; ${hint}`
}

/** Find header values that umlcow accepts and the kernel does not support.  Source: test/uml-lab/OBSERVED.md */
export function checkHeader(overlay: Overlay): Problem[] {
  const { header } = overlay
  const shown = printablePath(overlay.path)
  const problems: Problem[] = []
  const note = (code: string, message: string) =>
    problems.push({ code, severity: 'note', message: `${shown}: ${message}` })
  if (header.backingPath.length === 0) {
    const message = `${shown}: its header names no backing file`
    problems.push({ code: 'BAD_BACKING_PATH', severity: 'damage', message })
  }
  if (header.sectorSize !== 512) {
    note(
      'KERNEL_SECTOR_SIZE',
      `its sector size is ${header.sectorSize}; the kernel takes it for 512 and misreads the overlay`,
    )
  }
  if (header.virtualSize <= 32 * 1024) {
    note('KERNEL_SMALL_BACKING', 'its virtual size is 32 KiB or less; a guest hangs at its first write to it')
  }
  if (header.version < 3) {
    note(
      'KERNEL_OLD_VERSION',
      `its version is ${header.version}; a kernel that is given another backing file on its command line loses all changes`,
    )
  }
  if (header.version === 1 && header.fieldOrder === 'big') {
    note('KERNEL_BYTE_ORDER', 'it was written on a big-endian machine; a kernel on a little-endian one cannot read it')
  }
  return problems
}

/** Find bits of the last bitmap byte that are set and have no sector. Only version 3 has such bits. */
export async function checkBitmap(overlay: Overlay): Promise<Problem[]> {
  const { layout, store } = overlay
  const usedBits = layout.bitCount % 8
  const offset = layout.bitmapOffset + layout.bitmapLength - 1
  if (usedBits === 0 || layout.bitmapLength === 0 || offset >= store.size) return []
  const last = new Uint8Array(1)
  await readPadded(store, offset, last)
  const kept = last[0]! % 2 ** usedBits
  if (kept === last[0]) return []
  const mend = async () => {
    await writeExact(store, offset, Uint8Array.of(kept))
    await store.sync()
  }
  const message = `${printablePath(overlay.path)}: bits are set past the last sector, in the byte at offset ${offset}`
  return [{ code: 'BITS_PAST_END', severity: 'waste', message, mend }]
}

/** Find a file that is too short for its allocated sectors, or longer than all its sectors. */
export async function checkLength(overlay: Overlay, signal: AbortSignal | undefined): Promise<Problem[]> {
  const { layout, store, facts } = overlay
  const shown = printablePath(overlay.path)
  const truncation = await findTruncation(store, overlay.header, signal)
  if (truncation !== null) {
    const message = truncation.inBitmap
      ? `${shown}: the file ends inside its bitmap: expected at least ${layout.dataOffset} bytes, got ${store.size}`
      : `${shown}: ${truncation.missingLength} bytes of allocated sectors lie beyond the end of the file, the first at guest offset ${truncation.firstMissing}`
    return [{ code: 'TRUNCATED_OVERLAY', severity: 'damage', message }]
  }
  const end = layout.dataOffset + layout.dataLength
  if (store.size <= end || facts.kind !== 'file') return []
  const message = `${shown}: ${store.size - end} bytes follow the last sector; nothing reads them`
  const mend = async () => {
    await store.truncate(end)
    await store.sync()
  }
  // Only zeros have a certain repair: other bytes may matter to the user who stored them.
  const empty = await isZeroFrom(store, end, signal)
  return [{ code: 'TRAILING_BYTES', severity: 'waste', message, mend: empty ? mend : undefined }]
}

const scanWindow = 256 * 1024

/** Longest tail that `check` reads, bytes. A longer one, which may be all hole, gets no repair. */
const longestScanned = 2 ** 30

async function isZeroFrom(store: BlockStore, start: number, signal: AbortSignal | undefined): Promise<boolean> {
  if (store.size - start > longestScanned) return false
  const buffer = Buffer.allocUnsafeSlow(scanWindow)
  for (let at = start; at < store.size; at += scanWindow) {
    throwIfAborted(signal)
    const bytes = buffer.subarray(0, Math.min(scanWindow, store.size - at))
    await readPadded(store, at, bytes)
    if (!isZero(bytes)) return false
  }
  return true
}

/** Findings which show that the backing file is the wrong one. Any other finding leaves the question open. */
const contradictions = new Set([
  'BACKING_SIZE',
  'BACKING_MTIME',
  'BACKING_KIND',
  'BACKING_SELF',
  'UNFINISHED_MERGE',
  'JOURNAL_MISMATCH',
])

/** Find out whether the backing file fits. With `deep`, also find sectors that equal its own. */
export async function checkBacking(files: HostFiles, overlay: Overlay, options: CheckOptions): Promise<Problem[]> {
  const inspection = await inspectBacking(files, overlay, options)
  const problems: Problem[] = inspection.findings.map(({ code, message, hint }) => {
    const shown = code === 'UNFINISHED_MERGE' ? withHint(message, hint) : message
    return { code, severity: contradictions.has(code) ? 'damage' : 'unknown', message: shown }
  })
  if (inspection.located === null || problems.length > 0) return problems
  try {
    const backing = await openBacking(files, inspection.located, options, [overlay.facts])
    try {
      if (options.deep) problems.push(...(await checkData(overlay, backing, options)))
    } finally {
      await backing.close()
    }
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code === 'INTERRUPTED') throw error
    problems.push({
      code: error.code,
      severity: error.code === 'BACKING_IS_COW' ? 'damage' : 'unknown',
      message: error.message,
    })
  }
  return problems
}

async function checkData(overlay: Overlay, backing: FileImage, options: CheckOptions): Promise<Problem[]> {
  const problems: Problem[] = []
  const same = await countSameSectors(overlay, backing, options)
  if (same > 0) {
    const message = `${printablePath(overlay.path)}: ${same} allocated sectors equal the backing file's`
    problems.push({ code: 'SAME_AS_BACKING', severity: 'waste', message })
  }
  const state = await fileSystemState(overlay, backing)
  if (state !== null) problems.push({ code: 'FS_STATE', severity: 'note', message: state })
  return problems
}
