import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { editHeader, maxBackingPathLength, parseCowHeader } from '../formats/cow/index.js'
import { checkedOptions, forceOf, pathStyle, textPath, writerRules } from '../machine/arguments.js'
import { type ForceWord, forceWords, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile, localHostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation.js'
import { directoryName, isAbsolutePath, joinPath } from '../machine/path-bytes.js'
import { lockFiles } from '../machine/processes/file-locks.js'
import { findWriters } from '../machine/processes/find-writers.js'
import type { HostLock } from '../machine/processes/process-lock.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { refuseWriteProtected } from '../machine/write-protection.js'
import { dateText, inspectBacking } from '../overlays/backing.js'
import { targetFacts } from '../overlays/guard-target.js'
import { type Overlay, openOverlay } from '../overlays/open-overlay.js'
import type { LocatedFile } from '../overlays/resolve-backing.js'
import { rewriteHeader } from '../overlays/rewrite-header.js'
import { findOthers } from '../overlays/siblings/siblings.js'
import { type PathStyle, storedBackingPath } from '../overlays/stored-path.js'
import { refuseUnfinished } from '../overlays/unfinished/pinned-merge.js'
import { rebasedWarnings } from './dependents.js'

export interface RebaseOptions extends OperationOptions {
  /** How the path is stored; default as typed. */
  readonly pathStyle?: PathStyle | undefined
  /** `mtime`: the header takes the new file's mtime; `size`: accept another size; `in-use`. */
  readonly force?: readonly ForceWord[] | undefined
  readonly dryRun?: boolean | undefined
}

export interface RebaseResult {
  readonly path: string
  readonly oldBackingPath: Buffer
  readonly newBackingPath: Buffer
  readonly oldMtime: number
  readonly newMtime: number
  /** False when the header said all that already. */
  readonly changed: boolean
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

/**
 * Write the path of another backing file into the header of an overlay. No data is read.
 *
 * The header's mtime stays, so that the kernel goes on refusing a file that is not the one the overlay was made on,
 * unless `mtime` is forced.
 *
 * @throws UmlcowError PATH_TOO_LONG, BACKING_SIZE, BACKING_SELF, BACKING_KIND, BACKING_OUTSIDE_ROOT, IN_USE, UNFINISHED_MERGE, and what
 *         `parseCowHeader` and the host throw
 */
export async function rebaseUnsafe(
  path: string | URL,
  backing: string | URL,
  options: RebaseOptions = {},
): Promise<RebaseResult> {
  const overlay = textPath('path', path)
  const to = textPath('backing', backing)
  const checked = checkedOptions(options, { ...writerRules, force: forceOf(...forceWords), pathStyle })
  return withUnseenTold(options.files ?? localHostFiles, (files) => rebaseHeader(files, overlay, to, checked))
}

async function rebaseHeader(
  files: HostFiles,
  path: string,
  backing: string,
  options: RebaseOptions,
): Promise<RebaseResult> {
  const overlay = await openOverlay(files, path)
  const locks: HostLock[] = []
  try {
    if (!options.dryRun) locks.push(await lockFiles(files, [overlay]))
    // The overlay is the redo log of the merge: it has to stay what the journal says.
    await refuseUnfinished(files, path)
    await refuseWriteProtected(files, path)
    const located = await findNewBacking(files, overlay, backing)
    const facts = located?.facts ?? null
    refuseUnlessForced(await findWriters(files, [overlay], { mustSee: true }), options.force)
    const warnings = located === null ? [missingWarning(backing)] : await guard(files, overlay, located, options)
    const style = options.pathStyle ?? { kind: 'asTyped' as const }
    const found = style.kind === 'asTyped' ? backing : (located?.path ?? backing)
    const backingPath = await storedBackingPath(files, path, found, style)
    if (facts !== null) warnings.push(...(await misleading(files, overlay, backingPath, facts)))
    const takeMtime = options.force?.includes('mtime') === true && facts !== null
    const mtime = takeMtime ? facts.mtime : overlay.header.mtime
    if (takeMtime && mtime !== overlay.header.mtime) warnings.push(mtimeTaken(overlay, mtime))
    const { header } = overlay
    const after = editHeader(header, { backingPath, mtime })
    assertReadsBack(after, overlay, backingPath)
    const changed = Buffer.compare(after, header.bytes) !== 0
    if (changed) warnings.push(...rebasedWarnings(overlay, await findOthers(files, overlay, [path], options)))
    if (changed && !options.dryRun) await rewrite(files, overlay, after)
    return {
      path,
      oldBackingPath: Buffer.from(header.backingPath),
      newBackingPath: backingPath,
      oldMtime: header.mtime,
      newMtime: mtime,
      changed,
      dryRun: options.dryRun === true,
      warnings,
    }
  } finally {
    for (const lock of locks) await lock.release()
    await overlay.store.close()
  }
}

/** A path as typed is looked for here, then beside the overlay; null when it may exist where the overlay is going. */
async function findNewBacking(files: HostFiles, overlay: Overlay, typed: string): Promise<LocatedFile | null> {
  if (typed === '') throw new UmlcowError('BAD_BACKING_PATH', 'the path of the new backing file is empty')
  const asTyped: Buffer = Buffer.from(typed)
  const candidates = [asTyped]
  if (!isAbsolutePath(asTyped)) candidates.push(joinPath(directoryName(overlay.path), typed))
  for (const path of candidates) {
    try {
      return { path, facts: await files.stat(path) }
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) throw error
    }
  }
  return null
}

/** Refuses what cannot be right; returns what may be. */
async function guard(
  files: HostFiles,
  overlay: Overlay,
  located: LocatedFile,
  options: RebaseOptions,
): Promise<string[]> {
  const { findings, notes } = await inspectBacking(files, overlay, { backing: located.path })
  refuseUnlessForced(
    findings.filter((finding) => finding.code !== 'BACKING_MTIME'),
    options.force,
  )
  // A forced mtime is written into the header; a size never is, and an unforced mtime is left to protect the overlay.
  const staying = findings.filter(({ code }) => code !== 'BACKING_MTIME' || !options.force?.includes('mtime'))
  const kept = staying.map(
    ({ message }) => `${message}; the header keeps its own, so the kernel refuses this pair until they agree`,
  )
  return [...notes, ...kept]
}

/** A relative path as typed is taken from the current directory here, and from beside the overlay when it is opened. */
async function misleading(files: HostFiles, overlay: Overlay, stored: Buffer, facts: FileFacts): Promise<string[]> {
  if (isAbsolutePath(stored)) return []
  const beside = await targetFacts(files, joinPath(directoryName(overlay.path), stored))
  if (beside !== null && isSameFile(beside, facts)) return []
  return [
    `"${printablePath(stored)}" leads to that file from the current directory only, not from beside ` +
      `${printablePath(overlay.path)}; --relative stores a path that does`,
  ]
}

function missingWarning(backing: string): string {
  return `${printablePath(backing)}: does not exist here; the path is written as it is`
}

function mtimeTaken(overlay: Overlay, mtime: number): string {
  return (
    `${printablePath(overlay.path)}: its header now has the modification time ${dateText(mtime)}; if the new backing ` +
    'file does not hold the very bytes of the old one, the guest sees a damaged disk'
  )
}

/** A path of version 3 whose first four bytes were zeros would make the header another layout. */
function assertReadsBack(after: Uint8Array, overlay: Overlay, backingPath: Buffer): void {
  const { header } = overlay
  const again = parseCowHeader(after, { fileSize: overlay.facts.size, name: printablePath(overlay.path) })
  if (again.layout === header.layout && backingPath.equals(again.backingPath)) return
  throw new UmlcowError('BAD_BACKING_PATH', `${printablePath(overlay.path)}: its header cannot hold this path`, {
    details: { limit: maxBackingPathLength(header.layout) },
  })
}

async function rewrite(files: HostFiles, overlay: Overlay, after: Uint8Array): Promise<void> {
  const writable = await openOverlay(files, overlay.path, 'readWrite')
  try {
    if (!isSameFile(writable.facts, overlay.facts)) {
      throw new UmlcowError('NOT_A_FILE', `${printablePath(overlay.path)}: was replaced meanwhile`)
    }
    if (Buffer.compare(writable.header.bytes, overlay.header.bytes) !== 0) {
      throw new UmlcowError('INPUT_CHANGED', `${printablePath(overlay.path)}: its header was changed meanwhile`)
    }
    await rewriteHeader(files, overlay.path, writable.store, overlay.header.bytes, after)
  } finally {
    await writable.store.close()
  }
}
