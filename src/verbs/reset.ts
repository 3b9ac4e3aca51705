import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { computeLayout, serializeNewHeader } from '../formats/cow/index.js'
import { isPlain } from '../images/image-formats.js'
import { type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { type HostFiles, localHostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation-options.js'
import { backingRules, checkedOptions, forceOf, textPath, writerRules } from '../machine/option-rules.js'
import { lockFiles } from '../machine/processes/lock-files.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { inspectTarget, writeNewFile } from '../machine/write-new-file.js'
import { refuseWriteProtected } from '../machine/write-protection.js'
import { countAllocated } from '../overlays/count-allocated.js'
import { type BackingOptions, inspectBacking } from '../overlays/inspect-backing.js'
import { lookInto } from '../overlays/open.js'
import { type Overlay, openOverlay } from '../overlays/open-overlay.js'
import type { LocatedFile } from '../overlays/resolve-backing.js'
import { dependentDoubts, findDependents } from '../overlays/siblings/dependents.js'
import { findOthers } from '../overlays/siblings/find-siblings.js'
import { refuseUnfinished } from '../overlays/unfinished/find-merge-around.js'
import { writeExact } from '../stores/block-store.js'
import { findUsersOf } from './merge/in-place/preflight/find-users.js'

export interface ResetOptions extends OperationOptions, Pick<BackingOptions, 'backingRoot'> {
  /**
   * Also search these directories and all below them for overlays on this one. The directories of the overlay and its
   * backing file are always searched.
   */
  readonly siblingsIn?: readonly string[] | undefined
  readonly force?: readonly ForceWord[] | undefined
  readonly dryRun?: boolean | undefined
  readonly noSync?: boolean | undefined
}

export interface ResetResult {
  readonly path: string
  /** The path in the header. */
  readonly backingPath: Buffer
  readonly virtualSize: number
  readonly sectorSize: number
  /** Allocated sectors that the reset discards. */
  readonly discardedSectors: number
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

/** The values that the kernel and uml_mkcow write. */
const newOverlay = { sectorSize: 512, alignment: 4096 }

/**
 * Replace an overlay by an empty one on the same backing file: version 3, with the stored path. The old overlay stays
 * whole until the new one replaces it.
 *
 * @throws UmlcowError IN_USE, WRITE_PROTECTED, UNFINISHED_MERGE, BACKING_MISSING, BACKING_KIND, BACKING_SELF,
 *         BACKING_IS_COW, and what the host throws
 */
export async function resetOverlay(path: string | URL, options: ResetOptions = {}): Promise<ResetResult> {
  const overlay = textPath('path', path)
  const checked = checkedOptions(options, { ...writerRules, ...backingRules, force: forceOf('in-use', 'siblings') })
  return withUnseenTold(options.files ?? localHostFiles, (files) => resetFile(files, overlay, checked))
}

async function resetFile(files: HostFiles, path: string, options: ResetOptions): Promise<ResetResult> {
  const overlay = await openOverlay(files, path)
  try {
    const lock = await lockFiles(files, [overlay])
    try {
      const { backing, warnings } = await guard(files, overlay, options)
      const result = await describe(overlay, warnings, options)
      if (!options.dryRun) await replace(files, overlay, backing, options)
      return result
    } finally {
      await lock.release()
    }
  } finally {
    await overlay.store.close()
  }
}

async function guard(
  files: HostFiles,
  overlay: Overlay,
  options: ResetOptions,
): Promise<{ backing: LocatedFile; warnings: string[] }> {
  await refuseUnfinished(files, overlay.path, options)
  await refuseWriteProtected(files, overlay.path)
  const { located, findings, notes } = await inspectBacking(files, overlay, options)
  // An empty overlay fits the backing file as it is now: making it fit is the purpose of a reset.
  const serious = findings.filter(({ code }) => code !== 'BACKING_MTIME' && code !== 'BACKING_SIZE')
  serious.push(...(await findUsersOf(files, [overlay], options.signal)))
  const places = [overlay.path, ...(located === null ? [] : [located.path])]
  const search = await findOthers(files, overlay, places, options)
  serious.push(...findDependents(overlay, search, 'merge these into new files first, with --chain'))
  refuseUnlessForced(serious, options.force)
  if (located === null) throw new Error('unreachable: a missing backing file is a finding')
  await refuseUnfinished(files, located.path, { beside: overlay.path })
  await refuseCow(files, located)
  return { backing: located, warnings: [...notes, ...dependentDoubts(overlay, search)] }
}

/**
 * Refuse a backing file that is itself a COW file. The kernel sees the file, umlcow sees the image in it. An empty
 * overlay can have the size of only one of them.
 */
async function refuseCow(files: HostFiles, { path }: LocatedFile): Promise<void> {
  if (await lookInto(files, path, ({ format }) => isPlain(format))) return
  throw new UmlcowError('BACKING_IS_COW', `${printablePath(path)}: is itself a COW file`, {
    hint: 'make a new overlay with "umlcow create --overwrite --chain"',
  })
}

async function describe(overlay: Overlay, found: readonly string[], options: ResetOptions): Promise<ResetResult> {
  const { header } = overlay
  const name = printablePath(overlay.path)
  return {
    path: String(overlay.path),
    backingPath: Buffer.from(header.backingPath),
    virtualSize: header.virtualSize,
    sectorSize: header.sectorSize,
    discardedSectors: await countAllocated(overlay, options.signal),
    dryRun: options.dryRun === true,
    warnings: [
      ...found,
      ...(header.version === 3 ? [] : [`${name}: had version ${header.version}; the empty one has version 3`]),
    ],
  }
}

async function replace(
  files: HostFiles,
  overlay: Overlay,
  { facts }: LocatedFile,
  options: ResetOptions,
): Promise<void> {
  const place = await inspectTarget(files, overlay.path, true)
  const fields = {
    ...newOverlay,
    virtualSize: facts.size,
    mtime: facts.mtime,
    backingPath: overlay.header.backingPath,
  }
  const bytes = serializeNewHeader(fields)
  const { dataOffset } = computeLayout({ ...fields, layout: 'v3' })
  if (place.existing === null) throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: is gone`)
  await writeNewFile(files, place, { permissions: place.existing.permissions, ...options }, async (store) => {
    await writeExact(store, 0, bytes)
    await store.truncate(dataOffset + facts.size)
  })
}
