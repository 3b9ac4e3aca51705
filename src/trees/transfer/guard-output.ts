import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { unfit } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../formats/manifest/index.js'
import { serializeExclusion } from '../../formats/squashfs-pseudo/index.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import type { OutputTarget } from '../../machine/output-target.js'
import { baseName, directoryName, joinPath } from '../../machine/path-bytes.js'
import { inspectTarget, type NewFileTarget } from '../../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import type { TreeReader } from '../host/tree-reader.js'
import { streamKinds } from '../kinds/table.js'
import { newTreeWork } from '../new-tree/work-directory.js'
import type { SurveyOptions, TreeSource } from '../source/tree-source.js'
import { isSameInode } from '../walk/walk-open-directories.js'
import type { ExportOptions } from './export-options.js'

/** The place of an output. The name is free, or its file may be replaced. */
export interface GuardedOutput {
  readonly name: string
  /** Null for a pipe. */
  readonly place: NewFileTarget | null
  /** The file that has the name now. */
  readonly existing: FileFacts | null
}

/**
 * Check the place of an output before anything is written.
 *
 * @throws UmlcowError SAME_FILE, TARGET_PROTECTED when it is in the tree, and the errors of `guardTarget`
 */
export async function guardOutput(
  files: HostFiles,
  source: TreeSource,
  target: OutputTarget,
  { overwrite, force, signal }: ExportOptions,
): Promise<GuardedOutput> {
  if (typeof target !== 'string') return { name: target.pipe.name, place: null, existing: target.facts }
  const name = printablePath(target)
  const existing = await targetFacts(files, target)
  const parts = await partsOf(files, source)
  for (const part of parts) refuseSameFile(existing, name, part.facts, part.path)
  // First what --overwrite does not change.
  await refuseInside(files, parts, directoryName((await inspectTarget(files, target, true)).path), name)
  return { name, place: await guardTarget(files, target, { overwrite, force, signal }), existing }
}

/** Refuse a new directory inside the tree that is read. @throws UmlcowError TARGET_PROTECTED */
export async function refuseInTree(files: HostFiles, source: TreeSource, directory: HostPath): Promise<void> {
  await refuseInside(files, await partsOf(files, source), directoryName(directory), printablePath(directory))
}

/**
 * Refuse an input in the work directory of the new tree: umlcow removes what a killed run left there.
 *
 * @throws UmlcowError TARGET_KIND
 */
export function refuseInWork(reader: TreeReader, read: readonly HostPath[], directory: HostPath): void {
  const work = newTreeWork(directory)
  if (reader.lstatOrNull(work) === null) return
  const place = reader.realTop(work)
  for (const path of read) {
    if (!reader.realTop(path).subarray(0, place.length).equals(place)) continue
    throw new UmlcowError('TARGET_KIND', `${printablePath(path)}: lies in ${printablePath(work)}, which is removed`)
  }
}

interface Part {
  readonly path: Buffer
  readonly facts: FileFacts
}

async function partsOf(files: HostFiles, { parts }: TreeSource): Promise<Part[]> {
  const found: Part[] = []
  for (const path of parts) {
    try {
      found.push({ path, facts: await files.stat(path) })
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error // The survey reports the missing parts.
    }
  }
  return found
}

/** Refuse a directory that is one of the parts or lies in one. It compares inodes up to the root, not names. */
async function refuseInside(files: HostFiles, parts: readonly Part[], directory: Buffer, name: string): Promise<void> {
  let here = directory
  let facts = await files.stat(here)
  for (;;) {
    const part = parts.find((one) => isSameFile(one.facts, facts))
    if (part !== undefined) {
      throw new UmlcowError('TARGET_PROTECTED', `${name}: is in ${printablePath(part.path)}, which is read`, {
        hint: 'give the output a path outside of it',
      })
    }
    here = joinPath(here, '..')
    const above = await files.stat(here)
    if (isSameFile(above, facts)) return
    facts = above
  }
}

/** Refuse two outputs with one name, even if their paths differ. @throws UmlcowError SAME_FILE */
export async function refuseSamePlace(files: HostFiles, first: GuardedOutput, second: GuardedOutput): Promise<void> {
  if (first.place === null || second.place === null) return
  const [here, there] = [first.place.path, second.place.path]
  if (!baseName(here).equals(baseName(there))) return
  if (!isSameFile(await files.stat(directoryName(here)), await files.stat(directoryName(there)))) return
  throw new UmlcowError('SAME_FILE', `${second.name}: is the same file as the output ${first.name}`)
}

/** Make the check that a survey runs on every name of the tree. */
export function entryCheck(
  outputs: readonly GuardedOutput[],
  { format, noSockets, excludeFile }: ExportOptions,
): NonNullable<SurveyOptions['check']> {
  const { sink } = streamKinds[format]
  return (entry, hostType, host) => {
    for (const { existing, name } of outputs) {
      if (existing === null || host === null || !isSameInode(existing, host)) continue
      throw new UmlcowError('SAME_FILE', `${name}: is the same file as ${printablePath(entry.path)} in the tree`)
    }
    const isOther = hostType !== null && entry.type !== hostType
    if (format === 'squashfs' && isOther) checkExclusion(entry, excludeFile !== undefined)
    if (!noSockets || entry.type !== 'socket') sink.check(entry, hostType)
  }
}

/** mksquashfs ignores a definition when the tree has the same name, unless `-ef` leaves the name out of the tree. */
function checkExclusion({ path, type }: ManifestEntry, hasFile: boolean): void {
  if (!hasFile)
    throw unfit(path, `is a ${type} that mksquashfs takes for a file; use --exclude-file FILE and mksquashfs -ef FILE`)
  serializeExclusion(path)
}
