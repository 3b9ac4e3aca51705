import { printablePath } from '../bytes/escape.js'
import { planCompareRuns, type SameSectors } from '../engine/compare-runs.js'
import { executeSteps } from '../engine/execute.js'
import { errorCodes, UmlcowError } from '../errors.js'
import { type BackingOptions, inspectBacking } from '../host/backing.js'
import { type ForceWord, findWriters, refuseUnlessForced } from '../host/guard.js'
import { type HostFiles, localHostFiles } from '../host/host-files.js'
import { openBacking } from '../host/open-image.js'
import { type InputFile, type Overlay, openInput, readHeaderBytes, toOverlay } from '../host/open-overlay.js'
import type { LocatedFile } from '../host/resolve-backing.js'
import { findUnfinishedRewrite, undoRewrite } from '../host/rewrite-header.js'
import { openBitmapReader } from '../images/bitmap-reader.js'
import { findTruncation } from '../images/cow-image.js'
import { readPadded, writeExact } from '../stores/block-store.js'
import { type OperationOptions, progressReporter } from './operation.js'

export interface CheckOptions extends OperationOptions, BackingOptions {
  /** Mend what can be mended without a doubt. */
  readonly repair?: boolean | undefined
  /** Read the data, too: find allocated sectors that equal the backing file's. */
  readonly deep?: boolean | undefined
  /** Do not look at the backing file. */
  readonly noBacking?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
  /** With `repair`: tell what would be mended, change nothing. */
  readonly dryRun?: boolean | undefined
}

/** Damage: data may be lost or wrong. Waste: space without use. Note: worth knowing. Unknown: could not be checked. */
export type Severity = 'damage' | 'waste' | 'note' | 'unknown'

export interface CheckFinding {
  /** An error code, or one of BITS_PAST_END, TRAILING_BYTES, LEFTOVER_JOURNAL, SAME_AS_BACKING, KERNEL_… */
  readonly code: string
  readonly severity: Severity
  readonly message: string
  /** `--repair` can mend it without a doubt. */
  readonly repairable: boolean
  /** It was mended in this run. */
  readonly fixed: boolean
}

export interface CheckResult {
  readonly path: string
  readonly fileSize: number
  /** Null when the header is damaged. */
  readonly overlay: Pick<Overlay, 'header' | 'layout'> | null
  readonly allocatedSectors: number | null
  readonly findings: readonly CheckFinding[]
}

/** A finding with the way to mend it. */
interface Problem {
  readonly code: string
  readonly severity: Severity
  readonly message: string
  readonly mend?: (() => Promise<void>) | undefined
}

/**
 * Check an overlay: header, bitmap, length, the agreement with its backing file.
 *
 * @throws UmlcowError NOT_COW, IN_USE when asked to repair an overlay in use, and what the host throws
 */
export async function check(path: string, options: CheckOptions = {}): Promise<CheckResult> {
  const files = options.files ?? localHostFiles
  const writes = options.repair === true && !options.dryRun
  const input = await openInput(files, path, writes ? 'readWrite' : 'read')
  try {
    if (options.repair) refuseUnlessForced(findWriters(path, input.facts), options.force)
    const early = await checkRewrite(files, input)
    const mended = await mend(early, writes)
    const bytes = await readHeaderBytes(input.store)
    let overlay: Overlay
    try {
      overlay = toOverlay(input, bytes)
    } catch (error) {
      if (!(error instanceof UmlcowError) || error.code === 'NOT_COW' || !(error.code in errorCodes)) throw error
      const broken: CheckFinding = {
        code: error.code,
        severity: 'damage',
        message: error.message,
        repairable: false,
        fixed: false,
      }
      return { path, fileSize: input.facts.size, overlay: null, allocatedSectors: null, findings: [...mended, broken] }
    }
    const problems = [
      ...checkHeader(overlay),
      ...(await checkBitmap(overlay)),
      ...(await checkLength(overlay)),
      ...(options.noBacking ? [] : await checkBacking(files, overlay, options)),
    ]
    const allocatedSectors = await openBitmapReader(overlay.store, overlay.layout).countAllocated(options.signal)
    const findings = [...mended, ...(await mend(problems, writes))]
    return { path, fileSize: overlay.store.size, overlay, allocatedSectors, findings }
  } finally {
    await input.store.close()
  }
}

async function mend(problems: readonly Problem[], writes: boolean): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = []
  for (const { mend: run, ...problem } of problems) {
    const fixed = writes && run !== undefined
    if (fixed) await run()
    findings.push({ ...problem, repairable: run !== undefined, fixed })
  }
  return findings
}

async function checkRewrite(files: HostFiles, input: InputFile): Promise<Problem[]> {
  const state = await findUnfinishedRewrite(files, input.path, await readHeaderBytes(input.store))
  if (state === 'none') return []
  const undo = () => undoRewrite(files, input.path, input.store)
  const shown = printablePath(input.path)
  if (state === 'torn') {
    const message = `${shown}: the rewrite of its header was cut short; the old one is in the journal beside it`
    return [{ code: 'UNFINISHED_REWRITE', severity: 'damage', message, mend: undo }]
  }
  const message = `${shown}: a journal of a header rewrite is left over; the header is whole`
  return [{ code: 'LEFTOVER_JOURNAL', severity: 'waste', message, mend: undo }]
}

/** Headers that are right for us and that the kernel cannot cope with.  Source: test/uml-lab/OBSERVED.md */
function checkHeader(overlay: Overlay): Problem[] {
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

/** Bits of the last byte that stand for no sector. Only version 3 has such bits. */
async function checkBitmap(overlay: Overlay): Promise<Problem[]> {
  const { layout, store } = overlay
  const usedBits = layout.bitCount % 8
  const offset = layout.bitmapOffset + layout.bitmapLength - 1
  if (usedBits === 0 || layout.bitmapLength === 0 || offset >= store.size) return []
  const last = new Uint8Array(1)
  await readPadded(store, offset, last)
  const kept = last[0]! % 2 ** usedBits
  if (kept === last[0]) return []
  const clear = async () => {
    await writeExact(store, offset, Uint8Array.of(kept))
    await store.sync()
  }
  const message = `${printablePath(overlay.path)}: bits are set past the last sector, in the byte at offset ${offset}`
  return [{ code: 'BITS_PAST_END', severity: 'waste', message, mend: clear }]
}

async function checkLength(overlay: Overlay): Promise<Problem[]> {
  const { layout, store, facts } = overlay
  const shown = printablePath(overlay.path)
  const truncation = await findTruncation(store, overlay.header)
  if (truncation !== null) {
    const message = truncation.inBitmap
      ? `${shown}: the file ends inside its bitmap: expected at least ${layout.dataOffset} bytes, got ${store.size}`
      : `${shown}: ${truncation.missingLength} bytes of allocated sectors lie beyond the end of the file, the first at guest offset ${truncation.firstMissing}`
    return [{ code: 'TRUNCATED_OVERLAY', severity: 'damage', message }]
  }
  const end = layout.dataOffset + layout.dataLength
  if (store.size <= end || facts.kind !== 'file') return []
  const cut = async () => {
    await store.truncate(end)
    await store.sync()
  }
  const message = `${shown}: ${store.size - end} bytes follow the last sector; nothing reads them`
  return [{ code: 'TRAILING_BYTES', severity: 'waste', message, mend: cut }]
}

/** A backing file is there and is not the right one; anything else leaves the question open. */
const contradictions = new Set(['BACKING_SIZE', 'BACKING_MTIME', 'BACKING_KIND', 'BACKING_SELF'])

async function checkBacking(files: HostFiles, overlay: Overlay, options: CheckOptions): Promise<Problem[]> {
  const inspection = await inspectBacking(files, overlay, options)
  const problems: Problem[] = inspection.findings.map(({ code, message }) => {
    return { code, severity: contradictions.has(code) ? 'damage' : 'unknown', message }
  })
  if (inspection.located === null || problems.length > 0) return problems
  try {
    const same = await countSameSectors(files, overlay, inspection.located, options)
    if (same > 0) {
      const message = `${printablePath(overlay.path)}: ${same} allocated sectors equal the backing file's`
      problems.push({ code: 'SAME_AS_BACKING', severity: 'waste', message })
    }
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'BACKING_IS_COW') throw error
    problems.push({ code: error.code, severity: 'damage', message: error.message })
  }
  return problems
}

/** 0 unless the check is a deep one; opening the backing file is part of any check. */
async function countSameSectors(
  files: HostFiles,
  overlay: Overlay,
  located: LocatedFile,
  options: CheckOptions,
): Promise<number> {
  const backing = await openBacking(files, located, options, [overlay.facts])
  try {
    if (!options.deep) return 0
    const { header, layout, store } = overlay
    const same: SameSectors = { count: 0 }
    const inputs = { overlay: store, backing: backing.store, dataOffset: layout.dataOffset, header, layout }
    const onPosition = progressReporter(options, header.virtualSize, 'check')
    await executeSteps(planCompareRuns(inputs, same), { signal: options.signal, onPosition })
    return same.count
  } finally {
    await backing.store.close()
  }
}
