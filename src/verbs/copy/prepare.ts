import { printablePath } from '../../bytes/escape.js'
import type { Stretches } from '../../bytes/stretch-list.js'
import { errorCodes, UmlcowError } from '../../errors.js'
import { editHeader } from '../../formats/cow/index.js'
import { withBackingPath } from '../../formats/qcow2/index.js'
import { type ImageFormat, isPlain } from '../../images/image-formats.js'
import { refuseUnlessForced } from '../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import type { NewFileTarget } from '../../machine/write-new-file.js'
import { readBmapOf } from '../../overlays/bmap/read-bmap-of.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import { type CopiedFile, type MovedBacking, movedBackingPath } from '../../overlays/moved-backing.js'
import { movedQcow2Backing, noRoomForPath } from '../../overlays/moved-qcow2-backing.js'
import { closeOnFailure, type InputFile, layerOf, openProbed, type ProbedFile } from '../../overlays/open.js'
import { type Overlay, type Qcow2Overlay, withHeader } from '../../overlays/open-overlay.js'
import { assertNotTorn } from '../../overlays/rewrite-header.js'
import { findOverlayOver } from '../../overlays/siblings/find-overlay-over.js'
import { lookedAtNote } from '../../overlays/unfinished/find-by-other-name.js'
import { refuseUnfinished } from '../../overlays/unfinished/find-merge-around.js'
import type { CopyOptions } from './options.js'
import type { CopyPlace } from './places.js'

/** A copy that passed every check. Its source is open. */
export interface PreparedCopy {
  readonly input: InputFile
  readonly format: ImageFormat
  readonly newFile: NewFileTarget
  /** The header of the copy, where it differs from that of the source. */
  readonly header: Uint8Array | null
  readonly backingPath: Buffer | null
  /** The stretches of a bmap file; null without one. */
  readonly mapped: Stretches | null
  readonly warnings: readonly string[]
}

/**
 * Open a source, and refuse files that must not be copied or replaced.
 *
 * @param copied  the files that get a copy in the same run
 */
export async function prepareCopy(
  files: HostFiles,
  { source, target }: CopyPlace,
  options: CopyOptions,
  copied: readonly CopiedFile[],
): Promise<PreparedCopy> {
  const file = await openProbed(files, source)
  return closeOnFailure(file.store, async () => {
    const replaced = await targetFacts(files, target)
    refuseSameFile(replaced, printablePath(target), file.facts, source)
    await refuseUnfinished(files, source, { beside: target })
    const header = await moveHeader(files, file, target, replaced, options, copied)
    refuseUnlessForced(await findWriters(files, [file]), options.force)
    const newFile = await guardTarget(files, target, options)
    const warnings = [...header.warnings, ...(await bondWarnings(files, file, target, options))]
    const mapped =
      options.bmap === undefined ? null : await readBmapOf(files, options.bmap, file, target, options.signal)
    return { ...header, input: file, format: file.format, newFile, mapped, warnings }
  })
}

type MovedHeader = Pick<PreparedCopy, 'header' | 'backingPath' | 'warnings'>

async function moveHeader(
  files: HostFiles,
  file: ProbedFile,
  target: Buffer,
  replaced: FileFacts | null,
  options: CopyOptions,
  copied: readonly CopiedFile[],
): Promise<MovedHeader> {
  const nothing: MovedHeader = { header: null, backingPath: null, warnings: [] }
  if (isPlain(file.format)) return nothing
  await assertNotTorn(files, file.path, file.head)
  const overlay = readOverlay(file)
  if (overlay === null) return nothing
  if (overlay instanceof UmlcowError) {
    return { ...nothing, warnings: [`${overlay.message}; umlcow copies the file as it is`] }
  }
  const stored = storedPathOf(overlay)
  if (options.keepPath) return { ...nothing, backingPath: stored }
  const fellows = options.preserve ? copied : []
  const moved = await ('below' in overlay
    ? movedQcow2Backing(files, overlay, target, fellows)
    : movedBackingPath(files, overlay, target, fellows))
  const { path, located, warnings } = moved
  if (replaced !== null && located !== null && isSameFile(replaced, located.facts)) {
    const name = printablePath(target)
    throw new UmlcowError('TARGET_PROTECTED', `${name}: is the backing file of ${printablePath(file.path)}`)
  }
  if (path.equals(stored)) return { header: null, backingPath: path, warnings }
  if ('below' in overlay) return editedQcow2(file, overlay, target, moved)
  const header = editHeader(overlay.header, { backingPath: path, mtime: overlay.header.mtime })
  return { header, backingPath: path, warnings }
}

function storedPathOf(overlay: Overlay | Qcow2Overlay): Buffer {
  return Buffer.from('below' in overlay ? overlay.below.path : overlay.header.backingPath)
}

function editedQcow2({ head }: ProbedFile, { below }: Qcow2Overlay, target: Buffer, moved: MovedBacking): MovedHeader {
  const { path, warnings } = moved
  const header = withBackingPath(head, path)
  if (header !== null) return { header, backingPath: path, warnings }
  const warning = noRoomForPath(target, path, below.format)
  return { header, backingPath: Buffer.from(below.path), warnings: [...warnings, warning] }
}

/** Parse the header of an overlay. A copy of a damaged overlay may be all that is left of it. */
function readOverlay(file: ProbedFile): Overlay | Qcow2Overlay | UmlcowError | null {
  try {
    const { header, below } = layerOf(file)
    if (below === null) return null
    return header === null ? { path: file.path, facts: file.facts, below } : withHeader(file, header)
  } catch (error) {
    if (error instanceof UmlcowError && error.code in errorCodes) return error
    throw error
  }
}

/** Warn when overlays do not fit the copy of their backing file: it gets a new mtime. */
async function bondWarnings(
  files: HostFiles,
  { path, facts }: InputFile,
  target: Buffer,
  { preserve, signal }: CopyOptions,
): Promise<string[]> {
  const note = await lookedAtNote(files, path, facts, [target])
  const notes = note === null ? [] : [note]
  const overlay = preserve ? null : await findOverlayOver(files, directoryName(path), facts, signal)
  if (overlay === null) return notes
  const warning =
    `${printablePath(path)}: is the backing file of ${printablePath(overlay)}; the copy gets a new modification time, ` +
    'so this overlay does not fit it; -p keeps the time'
  return [...notes, warning]
}
