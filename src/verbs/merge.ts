import { printablePath } from '../bytes/escape.js'
import { executeSteps } from '../engine/execute.js'
import { type MergeInputs, planMerge } from '../engine/plan-merge.js'
import { UmlcowError } from '../errors.js'
import type { BackingOptions } from '../host/backing.js'
import { inspectBacking } from '../host/backing.js'
import { type ForceWord, findWriters, refuseUnlessForced } from '../host/guard.js'
import { type FileFacts, type HostFiles, isSameFile, localHostFiles } from '../host/host-files.js'
import { writeNewFile } from '../host/new-file.js'
import { type OpenBacking, openBacking } from '../host/open-image.js'
import { type Overlay, openOverlay } from '../host/open-overlay.js'
import type { LocatedFile } from '../host/resolve-backing.js'
import { shellQuote } from '../host/shell-quote.js'
import { guardTarget, refuseSameFile, targetFacts } from '../host/target-guard.js'
import { openBitmapReader } from '../images/bitmap-reader.js'
import { findTruncation } from '../images/cow-image.js'
import type { BlockStore } from '../stores/block-store.js'
import { type OperationOptions, progressReporter } from './operation.js'

export interface MergeOptions extends OperationOptions, BackingOptions {
  /** Replace TARGET when it is a regular file that is nobody's input, overlay or backing file. */
  readonly overwrite?: boolean | undefined
  /** `always` (the default): blocks of zeros become holes; `never`: every byte is stored. */
  readonly sparse?: 'always' | 'never' | undefined
  /** Findings to override. */
  readonly force?: readonly ForceWord[] | undefined
  /** Allocated sectors beyond the end of the overlay read as zeros, as in the kernel. */
  readonly allowShort?: boolean | undefined
  /** Check everything, change nothing. */
  readonly dryRun?: boolean | undefined
  /** Skip every fsync: for throwaway images. */
  readonly noSync?: boolean | undefined
}

/** Where a merge goes: a path for a new file, or a store that is written once from its start to its end. */
export type MergeTargetSpec = string | { readonly pipe: BlockStore; readonly facts: FileFacts | null }

export interface MergeResult {
  readonly overlay: string
  readonly backing: Buffer
  /** Null for a pipe. */
  readonly target: string | null
  readonly virtualSize: number
  readonly allocatedSectors: number
  readonly sectorSize: number
  readonly dryRun: boolean
  /** What the user should know although the merge is right. */
  readonly warnings: readonly string[]
}

/**
 * Merge an overlay and its backing file into a new file or a pipe. Both inputs stay as they are.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, IN_PLACE_UNAVAILABLE, INTERRUPTED, and
 *         what `parseCowHeader` and the host throw. A new file is then not there, not even in part.
 */
export async function merge(
  overlayPath: string,
  target: MergeTargetSpec,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const files = options.files ?? localHostFiles
  const overlay = await openOverlay(files, overlayPath)
  try {
    const located = await guardInputs(files, overlay, target, options)
    const backing = await openBacking(files, located, options, [overlay.facts])
    try {
      return await mergeOpened(files, overlay, located, backing, target, options)
    } finally {
      await backing.store.close()
    }
  } finally {
    await overlay.store.close()
  }
}

async function mergeOpened(
  files: HostFiles,
  overlay: Overlay,
  located: LocatedFile,
  backing: OpenBacking,
  target: MergeTargetSpec,
  options: MergeOptions,
): Promise<MergeResult> {
  const facts = await factsOf(files, target)
  for (const input of backing.inputs.slice(1)) refuseSameFile(facts, nameOf(target), input.facts, input.path)
  if (!options.allowShort) await refuseTruncated(overlay)
  const place = typeof target === 'string' ? await guardTarget(files, target, options) : null

  const { header, layout } = overlay
  const result: MergeResult = {
    overlay: String(overlay.path),
    backing: located.path,
    target: typeof target === 'string' ? target : null,
    virtualSize: header.virtualSize,
    allocatedSectors: await openBitmapReader(overlay.store, layout).countAllocated(options.signal),
    sectorSize: header.sectorSize,
    dryRun: options.dryRun === true,
    warnings: warningsFor(overlay),
  }
  if (options.dryRun) return result

  const inputs: MergeInputs = {
    overlay: overlay.store,
    backing: backing.store,
    dataOffset: layout.dataOffset,
    header,
    layout,
  }
  const run = async (store: BlockStore, keepHoles: boolean) => {
    const onPosition = progressReporter(options, header.virtualSize, 'merge')
    await executeSteps(planMerge(inputs, { store, keepHoles }), { signal: options.signal, onPosition })
  }
  if (place === null) {
    await run((target as { pipe: BlockStore }).pipe, false)
    return result
  }
  const { overwrite, noSync, signal } = options
  const permissions = newImagePermissions(overlay.facts, located.facts)
  await writeNewFile(files, place, { permissions, overwrite, noSync, signal }, async (store) => {
    await store.truncate(header.virtualSize)
    await run(store, options.sparse !== 'never')
  })
  return result
}

/** A merged image shows what both inputs hold, so nobody may read it who may not read them; its owner may write it. */
function newImagePermissions(overlay: FileFacts, backing: FileFacts): number {
  const readable = backing.kind === 'file' ? overlay.permissions & backing.permissions : overlay.permissions
  return (readable & 0o644) | 0o600
}

async function factsOf(files: HostFiles, target: MergeTargetSpec): Promise<FileFacts | null> {
  return typeof target === 'string' ? targetFacts(files, target) : target.facts
}

function nameOf(target: MergeTargetSpec): string {
  return typeof target === 'string' ? printablePath(target) : target.pipe.name
}

/** Everything that speaks against reading these inputs and writing that output, found before anything is opened for writing. */
async function guardInputs(
  files: HostFiles,
  overlay: Overlay,
  target: MergeTargetSpec,
  options: MergeOptions,
): Promise<LocatedFile> {
  const facts = await factsOf(files, target)
  refuseSameFile(facts, nameOf(target), overlay.facts, overlay.path)
  const inspection = await inspectBacking(files, overlay, options)
  const { located, lookalike } = inspection
  if (located !== null && facts !== null && isSameFile(facts, located.facts)) {
    if (typeof target === 'string') throw inPlaceUnavailable(target, overlay.path)
    refuseSameFile(facts, nameOf(target), located.facts, located.path)
  }
  const findings = inspection.findings.map((finding) => {
    if (finding.code !== 'BACKING_MISSING' || lookalike === null) return finding
    const beside = `a file of that name, size and modification time lies beside the overlay`
    const output = typeof target === 'string' ? shellQuote(target) : '-'
    return {
      ...finding,
      message: `${finding.message}; ${beside}: ${printablePath(lookalike)}`,
      hint: `umlcow merge -b ${shellQuote(lookalike)} ${shellQuote(overlay.path)} ${output}`,
    }
  })
  const users = findWriters(overlay.path, overlay.facts)
  if (located !== null) users.push(...findWriters(located.path, located.facts))
  refuseUnlessForced([...findings, ...users], options.force)
  if (located === null) throw new Error('unreachable: a missing backing file is a finding')
  return located
}

/** The refusal of a merge into the backing file itself. */
export function inPlaceUnavailable(target: string | null, overlayPath: string | Buffer): UmlcowError {
  const into = target === null ? 'the backing file' : `${printablePath(target)}, which is the backing file`
  return new UmlcowError(
    'IN_PLACE_UNAVAILABLE',
    `merging ${printablePath(overlayPath)} into ${into}, in place, is not available in this release; nothing was changed`,
    { hint: `umlcow merge ${shellQuote(overlayPath)} NEW_FILE` },
  )
}

async function refuseTruncated(overlay: Overlay): Promise<void> {
  const truncation = await findTruncation(overlay.store, overlay.header)
  if (truncation === null) return
  const what = truncation.inBitmap
    ? 'the file ends inside its bitmap'
    : `the file ends before ${truncation.missingLength} bytes of allocated sectors, the first at guest offset ${truncation.firstMissing}`
  throw new UmlcowError('TRUNCATED_OVERLAY', `${printablePath(overlay.path)}: ${what}`, {
    details: { missingLength: truncation.missingLength, inBitmap: truncation.inBitmap },
    hint: 'use --allow-short to read zeros there, as the kernel does',
  })
}

function warningsFor(overlay: Overlay): string[] {
  const { sectorSize } = overlay.header
  if (sectorSize === 512) return []
  return [
    `${printablePath(overlay.path)}: its sector size is ${sectorSize}; the kernel takes it for 512 and misreads such an ` +
      'overlay, so what a guest saw may not be what is in it',
  ]
}
