import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { PackMember } from '../../formats/pack/manifest.js'
import { type Finding, refuseUnlessForced } from '../../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { inspectTarget, type NewFileTarget, targetExists } from '../../machine/write-new-file.js'
import { targetFacts } from '../../overlays/guard-target.js'
import { findOverlayOver } from '../../overlays/siblings/find-overlay-over.js'
import { refuseUnfinished } from '../../overlays/unfinished/find-merge-around.js'
import type { UnpackOptions } from './options.js'

/**
 * Find the places of the files of a pack, and refuse those where the user would lose data.
 *
 * @param needed  files that are read: the pack, and backing files
 * @throws        UmlcowError SAME_FILE, TARGET_EXISTS, TARGET_KIND, TARGET_PROTECTED, UNFINISHED_MERGE, IN_USE, NO_ROOM
 */
export async function guardPlaces(
  files: HostFiles,
  directory: string,
  members: readonly PackMember[],
  needed: readonly FileFacts[],
  options: UnpackOptions,
): Promise<NewFileTarget[]> {
  const names = new Set(members.map(({ name }) => Buffer.from(name).toString('latin1')))
  const places: NewFileTarget[] = []
  for (const { name } of members) {
    const path = joinPath(directory, name)
    await refuseLink(files, path)
    const place = await inspectTarget(files, path, true)
    if (place.existing !== null) {
      await guardExisting(files, directory, place, place.existing, needed, names)
      if (!options.overwrite) throw targetExists(path)
    }
    places.push(place)
  }
  refuseUnlessForced(await findings(files, directory, members, places), options.force)
  return places
}

/** @throws UmlcowError ENOENT, ENOTDIR */
export async function refuseNoDirectory(files: HostFiles, directory: string): Promise<void> {
  const facts = await targetFacts(files, directory)
  if (facts?.kind === 'directory') return
  const shown = printablePath(directory)
  if (facts !== null) throw new UmlcowError('ENOTDIR', `${shown}: is not a directory`)
  throw new UmlcowError('ENOENT', `${shown}: there is no such directory`, {
    hint: `make it first: mkdir ${shellQuote(directory)}`,
  })
}

/** A file of a pack goes into the directory, so it never replaces what a link there leads to. */
async function refuseLink(files: HostFiles, path: HostPath): Promise<void> {
  const here = await files.lstatOrNull(path)
  if (here === null || here.kind !== 'other') return
  throw new UmlcowError(
    'TARGET_KIND',
    `${printablePath(path)}: is a link or a special file, which unpack never replaces`,
    {
      hint: 'remove it, or unpack into another directory with -C DIR',
    },
  )
}

async function guardExisting(
  files: HostFiles,
  directory: string,
  { path }: NewFileTarget,
  existing: FileFacts,
  needed: readonly FileFacts[],
  names: ReadonlySet<string>,
): Promise<void> {
  const shown = printablePath(path)
  if (needed.some((one) => isSameFile(one, existing))) {
    throw new UmlcowError('SAME_FILE', `${shown}: is an input`)
  }
  await refuseUnfinished(files, path)
  // An overlay that is replaced, too, needs the old backing file no more.
  const overlay = await findOverlayOver(files, directory, existing, undefined, names)
  if (overlay === null) return
  throw new UmlcowError('TARGET_PROTECTED', `${shown}: is the backing file of the overlay ${printablePath(overlay)}`)
}

async function findings(
  files: HostFiles,
  directory: string,
  members: readonly PackMember[],
  places: readonly NewFileTarget[],
): Promise<Finding[]> {
  const replaced = places.flatMap(({ path, existing }) => (existing === null ? [] : [{ path, facts: existing }]))
  const found = replaced.length === 0 ? [] : await findWriters(files, replaced)
  const wanted = members.reduce((sum, { storedSize }) => sum + storedSize, 0)
  const free = await files.freeSpace(directory)
  if (wanted <= free) return found
  const message = `${printablePath(directory)}: has room for ${free} bytes, and the files of the pack take ${wanted}`
  return [...found, { code: 'NO_ROOM', message, force: 'room', hint: '--force=room goes on, and may fail in the end' }]
}
