import { UmlcowError } from '../../errors.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { lockFiles } from '../../machine/processes/lock-files.js'
import type { HostLock } from '../../machine/processes/process-lock.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { targetFacts } from '../../overlays/guard-target.js'
import type { CopiedFile } from '../../overlays/moved-backing.js'
import { mtimeWarnings } from './attributes.js'
import { type CopyOptions, type CopyResult, copyRules } from './options.js'
import { type CopyPlace, placeCopies } from './places.js'
import { type PreparedCopy, prepareCopy } from './prepare.js'
import { writeCopy } from './write-copy.js'

/** What a run copied, file by file. */
export interface CopyRunResult {
  readonly copies: readonly CopyResult[]
  readonly dryRun: boolean
  /** What concerns the run as a whole. Each copy has warnings of its own. */
  readonly warnings: readonly string[]
}

/**
 * Copy a file and keep its holes.
 *
 * The copy appears whole or not at all, and no hole becomes stored zeros. A copy of an overlay in another directory
 * still leads to its backing file: umlcow changes a relative path in the header.
 *
 * @param from  an image, an overlay or any other regular file, or a block device
 * @param to    a new file, or a directory that gets a file of the same name
 * @throws      UmlcowError SAME_FILE, TARGET_…, IN_USE, UNFINISHED_MERGE, BACKING_AMBIGUOUS, PATH_TOO_LONG,
 *              INPUT_CHANGED, COPIER_UNAVAILABLE, INTERRUPTED, and what the host throws
 */
export async function copySparse(from: string | URL, to: string | URL, options: CopyOptions = {}): Promise<CopyResult> {
  const { copies, warnings } = await copyFiles([from], to, options)
  const [copy] = copies
  if (copy === undefined) throw new Error('unreachable: one file has one copy')
  return { ...copy, warnings: [...warnings, ...copy.warnings] }
}

/**
 * Copy one file, or any number of files into a directory, as `copySparse` does.
 *
 * umlcow checks all of them before it copies the first one. With `preserve`, an overlay whose relative path leads to
 * another of the files gets a path to the copy of that file.
 *
 * @throws UmlcowError as `copySparse`; the copies before the one that fails stay
 */
export async function copyFiles(
  from: readonly (string | URL)[],
  to: string | URL,
  options: CopyOptions = {},
): Promise<CopyRunResult> {
  if (!Array.isArray(from)) throw new TypeError('from: expected an array of paths')
  const sources = from.map((one, i) => textPath(`from[${i}]`, one))
  const target = textPath('to', to)
  const checked = checkedOptions(options, copyRules)
  if (checked.reflink === 'always' && checked.sparse !== undefined && checked.sparse !== 'auto') {
    throw new UmlcowError('USAGE', `sparse=${checked.sparse}: a file that shares storage keeps its holes and its zeros`)
  }
  if (
    checked.bmap !== undefined &&
    (sources.length !== 1 || checked.reflink === 'always' || checked.sparse === 'never')
  ) {
    throw new UmlcowError(
      'USAGE',
      'a bmap file says where the holes of one image are: copy one, and do not forbid holes',
    )
  }
  return withUnseenTold(options.files ?? localHostFiles, (files) => copyAll(files, sources, target, checked))
}

async function copyAll(
  files: HostFiles,
  sources: readonly string[],
  target: string,
  options: CopyOptions,
): Promise<CopyRunResult> {
  const places = await placeCopies(files, sources, target)
  const copied: CopiedFile[] = []
  for (const place of places) copied.push({ facts: await files.stat(place.source), target: place.target })
  const run = { files, options, copied }
  const dryRun = options.dryRun === true
  const checks: CopyResult[] = []
  if (dryRun || places.length > 1) for (const place of places) checks.push(await copyOne(run, place, null))
  if (dryRun) return { copies: checks, dryRun, warnings: [] }
  const total = copied.reduce((sum, { facts }) => sum + facts.size, 0)
  const report = progressReporter(options, total, 'copy')
  const copies: CopyResult[] = []
  let before = 0
  for (const place of places) {
    const start = before
    const copy = await copyOne(run, place, (position) => report?.(start + position))
    copies.push(copy)
    before += copy.size
  }
  return { copies, dryRun, warnings: [] }
}

interface CopyRun {
  readonly files: HostFiles
  readonly options: CopyOptions
  readonly copied: readonly CopiedFile[]
}

/** @param onPosition  null: check everything, write nothing */
async function copyOne(
  { files, options, copied }: CopyRun,
  place: CopyPlace,
  onPosition: ((position: number) => void) | null,
): Promise<CopyResult> {
  const locks: HostLock[] = []
  try {
    // The lock keeps out a merge that would use the file to replace.
    const replaced = onPosition === null ? null : await targetFacts(files, place.target)
    if (replaced?.kind === 'file') locks.push(await lockFiles(files, [{ path: place.target, facts: replaced }]))
    const copy = await prepareCopy(files, place, options, copied)
    try {
      if (onPosition === null) return describe(place, copy)
      const written = await writeCopy(files, copy, options, onPosition)
      const result = describe(place, copy)
      const warnings = [...result.warnings, ...mtimeWarnings(place.target, written.mtime)]
      return { ...result, ...written, dryRun: false, warnings }
    } finally {
      await copy.input.store.close()
    }
  } finally {
    for (const lock of locks) await lock.release()
  }
}

function describe({ source, target }: CopyPlace, copy: PreparedCopy): CopyResult {
  return {
    source,
    target,
    format: copy.format,
    size: copy.input.facts.size,
    allocatedSize: null,
    copier: null,
    backingPath: copy.backingPath,
    pathChanged: copy.header !== null,
    mtime: null,
    dryRun: true,
    warnings: copy.warnings,
  }
}
