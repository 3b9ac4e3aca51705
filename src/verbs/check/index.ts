import { errorCodes, UmlcowError } from '../../errors.js'
import { type ImageFormat, isPlain } from '../../images/image-formats.js'
import { probe } from '../../images/probe.js'
import type { Qcow2Report } from '../../images/qcow2/check/report.js'
import { refuseUnlessForced } from '../../machine/findings.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import {
  backingRules,
  checkedOptions,
  flag,
  forceOf,
  type Rules,
  textPath,
  writerRules,
} from '../../machine/option-rules.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { lockFiles } from '../../machine/processes/lock-files.js'
import type { HostLock } from '../../machine/processes/process-lock.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { countAllocated } from '../../overlays/count-allocated.js'
import { openInput, type ProbedFile } from '../../overlays/open.js'
import { type Overlay, toOverlay } from '../../overlays/open-overlay.js'
import type { CheckOptions, Severity } from './options.js'
import { checkQcow2File } from './qcow2.js'
import {
  checkBacking,
  checkBitmap,
  checkHeader,
  checkLength,
  checkRewrite,
  checkUnfinished,
  type Problem,
} from './rules.js'

/** One thing that `check` found in an overlay or a qcow2 image. */
export interface CheckFinding {
  /** An error code, or one of BITS_PAST_END, TRAILING_BYTES, LEFTOVER_JOURNAL, SAME_AS_BACKING, FS_STATE, KERNEL_…, QCOW2_… */
  readonly code: string
  readonly severity: Severity
  readonly message: string
  /** `--repair` has a certain repair for it. */
  readonly repairable: boolean
  /** This run repaired it. */
  readonly fixed: boolean
}

const checkRules: Rules = {
  ...writerRules,
  ...backingRules,
  force: forceOf('in-use'),
  repair: flag,
  deep: flag,
  noBacking: flag,
}

export interface CheckResult {
  readonly path: string
  readonly fileSize: number
  /** `raw`: a backing file. `check` reports only its unfinished merge. */
  readonly format: ImageFormat
  /** Null when the header is damaged. */
  readonly overlay: Pick<Overlay, 'header' | 'layout'> | null
  readonly allocatedSectors: number | null
  /** The clusters of a qcow2 image; null for other formats, or when the header is damaged. */
  readonly qcow2: Qcow2Report | null
  readonly findings: readonly CheckFinding[]
  /** What the user should know about a correct repair. */
  readonly warnings: readonly string[]
}

/**
 * Check an overlay: header, bitmap, length, and agreement with its backing file. Or check a qcow2 image: header, tables
 * and refcounts; umlcow does not repair one.
 *
 * A repair relies on the sizes in the header. `check` repairs nothing while the overlay has another problem, while the
 * backing file cannot confirm the sizes, or when the kernel does not write such sizes.
 *
 * @throws UmlcowError NOT_COW, QCOW2_FEATURE, IN_USE when asked to repair an overlay in use, and what the host throws
 */
export async function check(path: string | URL, options: CheckOptions = {}): Promise<CheckResult> {
  const plain = textPath('path', path)
  const checked = checkedOptions(options, checkRules)
  return withUnseenTold(options.files ?? localHostFiles, (files) => checkFile(files, plain, checked))
}

async function checkFile(files: HostFiles, path: string, options: CheckOptions): Promise<CheckResult> {
  const writes = options.repair === true && !options.dryRun
  const input = await openInput(files, path, writes ? 'readWrite' : 'read')
  const locks: HostLock[] = []
  try {
    if (writes) locks.push(await lockFiles(files, [input]))
    if (options.repair) refuseUnlessForced(await findWriters(files, [{ path, facts: input.facts }]), options.force)
    const early = await mend(await checkRewrite(files, input), writes)
    const unfinished = await mend(await checkUnfinished(files, input.path), writes)
    const probed = { ...input, ...(await probe(input.store)) }
    if (probed.format === 'qcow2') return await resultOfQcow2(files, probed, path, options)
    const overlay = parseOrFind(probed, unfinished)
    if (!('header' in overlay)) {
      return {
        path,
        fileSize: input.store.size,
        format: overlay.format,
        overlay: null,
        allocatedSectors: null,
        qcow2: null,
        findings: [...early, ...overlay.findings],
        warnings: [],
      }
    }
    const problems = [
      ...checkHeader(overlay),
      ...(await checkBitmap(overlay)),
      ...(await checkLength(overlay, options.signal)),
      ...(options.noBacking ? [] : await checkBacking(files, overlay, options)),
    ]
    const told = new Set(problems.map(({ message }) => message))
    early.push(...unfinished.filter(({ message }) => !told.has(message)))
    const allocatedSectors = await countAllocated(overlay, options.signal)
    const harmless = [...problems, ...unfinished].every(({ severity }) => severity === 'waste' || severity === 'note')
    const certain = !options.noBacking && harmless && isAsKernelWrites(overlay)
    const findings = [...early, ...(await mend(certain ? problems : problems.map(withoutMending), writes))]
    const common = { path, fileSize: overlay.store.size, qcow2: null, warnings: [] }
    return { ...common, format: 'cow', overlay, allocatedSectors, findings }
  } finally {
    for (const lock of locks) await lock.release()
    await input.store.close()
  }
}

async function resultOfQcow2(
  files: HostFiles,
  file: ProbedFile,
  path: string,
  options: CheckOptions,
): Promise<CheckResult> {
  const { report, problems } = await checkQcow2File(files, file, options)
  return {
    path,
    fileSize: file.store.size,
    format: 'qcow2',
    overlay: null,
    allocatedSectors: null,
    qcow2: report,
    findings: await mend(problems, false),
    warnings: [],
  }
}

/** True for the usual sector size and alignment. The backing file confirms the virtual size; nothing confirms these. */
function isAsKernelWrites({ header }: Overlay): boolean {
  return header.sectorSize === 512 && (header.version < 3 || header.alignment === 4096)
}

/**
 * Parse the overlay, or return what is wrong with its header. A backing file is not an overlay: return its unfinished
 * merge, if it has one.
 */
function parseOrFind(
  file: ProbedFile,
  unfinished: readonly CheckFinding[],
): Overlay | Pick<CheckResult, 'format' | 'findings'> {
  const { format, head } = file
  if (isPlain(format) && unfinished.length > 0) return { format, findings: unfinished }
  try {
    return toOverlay(file, head)
  } catch (error) {
    if (!(error instanceof UmlcowError) || !(error.code in errorCodes) || error.code === 'NOT_COW') throw error
    const finding = { code: error.code, severity: 'damage' as const, message: error.message }
    return { format, findings: [...unfinished, { ...finding, repairable: false, fixed: false }] }
  }
}

function withoutMending({ code, severity, message }: Problem): Problem {
  return { code, severity, message }
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
