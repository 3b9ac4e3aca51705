import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { editHeader, maxBackingPathLength, parseCowHeader } from '../formats/cow/index.js'
import { type ForceWord, forceWords, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile, localHostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation-options.js'
import { checkedOptions, forceOf, pathStyle, textPath, writerRules } from '../machine/option-rules.js'
import { directoryName, isAbsolutePath, joinPath } from '../machine/path-bytes.js'
import { findWriters } from '../machine/processes/find-writers.js'
import { lockFiles } from '../machine/processes/lock-files.js'
import type { HostLock } from '../machine/processes/process-lock.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { refuseWriteProtected } from '../machine/write-protection.js'
import { targetFacts } from '../overlays/guard-target.js'
import { dateText, inspectBacking } from '../overlays/inspect-backing.js'
import { type Overlay, openOverlay } from '../overlays/open-overlay.js'
import type { LocatedFile } from '../overlays/resolve-backing.js'
import { rewriteHeader } from '../overlays/rewrite-header.js'
import { rebasedWarnings } from '../overlays/siblings/dependents.js'
import { findOthers } from '../overlays/siblings/find-siblings.js'
import { type PathStyle, storedBackingPath } from '../overlays/stored-path.js'
import { refuseUnfinished } from '../overlays/unfinished/find-merge-around.js'

export interface RebaseOptions extends OperationOptions {
  /** How to store the path; default as typed. */
  readonly pathStyle?: PathStyle | undefined
  /** `mtime`: write the new file's mtime into the header; `size`: accept another size; `in-use`: ignore users. */
  readonly force?: readonly ForceWord[] | undefined
  readonly dryRun?: boolean | undefined
}

export interface RebaseResult {
  readonly path: string
  readonly oldBackingPath: Buffer
  readonly newBackingPath: Buffer
  readonly oldMtime: number
  readonly newMtime: number
  /** False when the header had this path and mtime already. */
  readonly changed: boolean
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

/**
 * Write the path of another backing file into the header of an overlay. It reads no data.
 *
 * The header keeps its mtime, so the kernel still refuses any file but the original backing file. `force: ['mtime']`
 * replaces the mtime.
 *
 * @throws UmlcowError PATH_TOO_LONG, BACKING_SIZE, BACKING_SELF, BACKING_KIND, BACKING_OUTSIDE_ROOT, IN_USE,
 *         UNFINISHED_MERGE, and what `parseCowHeader` and the host throw
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
    // An unfinished merge needs the overlay as its redo log, with the header that the journal names.
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

/**
 * Find the new backing file: first from the current directory, then beside the overlay. Return null when neither
 * exists; it may exist on the machine that the overlay goes to.
 */
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

/** Refuse a backing file that cannot be right. Return warnings about one that may be. */
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
  // The header takes a new mtime only if forced: otherwise the old one protects the overlay. It never takes a new size.
  const staying = findings.filter(({ code }) => code !== 'BACKING_MTIME' || !options.force?.includes('mtime'))
  const kept = staying.map(
    ({ message }) => `${message}; the header keeps its own, so the kernel refuses this pair until they agree`,
  )
  return [...notes, ...kept]
}

/**
 * Warn when the relative path means another file beside the overlay. Here it starts at the current directory. When
 * umlcow opens the overlay, it starts beside the overlay.
 */
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

/** Check that the header reads back. A version 3 path that starts with four zero bytes would change its layout. */
export function assertReadsBack(
  after: Uint8Array,
  overlay: Pick<Overlay, 'header' | 'facts' | 'path'>,
  backingPath: Buffer,
): void {
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
