import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { isAbsolutePath } from '../../machine/path-bytes.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { layerOf, type ProbedFile } from '../../overlays/open.js'
import { type LocatedFile, type ResolveOptions, resolveBackingPath } from '../../overlays/resolve-backing.js'
import type { CompactOptions } from './options.js'

// The compact image lacks what its backing file has, and its header names that file. So the file that was compared must
// be the one to which the header leads.

/**
 * Refuse a backing file given by the user to which the header does not lead.
 *
 * The header of a COW file also says size and modification time. So a COW file whose path leads nowhere is accepted.
 *
 * @param used  the backing file that was opened; undefined for an image that has none
 * @throws      UmlcowError BACKING_OTHER
 */
export async function refuseOther(
  files: HostFiles,
  file: ProbedFile,
  used: ProbedFile | undefined,
  { backing, backingRoot }: CompactOptions,
): Promise<void> {
  const { below, qcow2 } = layerOf(file)
  if (backing === undefined || used === undefined || below === null) return
  const ways = waysToRead(qcow2 !== null, backingRoot)
  const found: LocatedFile[] = []
  for (const name of [file.path, await files.realPath(file.path)]) {
    for (const how of ways) {
      const one = await resolveBackingPath(files, name, below.path, how)
      if (one !== null) found.push(one)
    }
  }
  if (found.some(({ facts }) => isSameFile(facts, used.facts))) return
  const other = found[0]
  if (other === undefined && qcow2 === null) return
  const shown = printablePath(backing)
  const leads =
    other === undefined ? `"${printablePath(below.path)}", which does not exist,` : `${printablePath(other.path)},`
  const format = below.format === null ? '' : ` -F ${shellQuote(below.format)}`
  const rebase = qcow2 === null ? 'umlcow rebase -u' : `qemu-img rebase -u${format}`
  const command = `${rebase} -b ${shellQuote(backing)} ${shellQuote(file.path)}`
  throw new UmlcowError('BACKING_OTHER', `${printablePath(file.path)}: its header leads to ${leads} not to ${shown}`, {
    hint: `if ${shown} is its backing file, use "${command}" first`,
  })
}

function waysToRead(isQcow2: boolean, backingRoot: string | undefined): ResolveOptions[] {
  if (backingRoot !== undefined) return [{ backingRoot }]
  if (isQcow2) return [{ relativeTo: 'besideOverlay' }]
  return [{ relativeTo: 'besideOverlay' }, { relativeTo: 'currentDirectory' }]
}

/**
 * Refuse to replace the file behind a link, when its relative path leads elsewhere from there than from the link.
 *
 * @throws UmlcowError BACKING_AMBIGUOUS
 */
export async function refuseLinkElsewhere(
  files: HostFiles,
  file: ProbedFile,
  { backingRoot }: CompactOptions,
): Promise<void> {
  const { below } = layerOf(file)
  if (below === null || isAbsolutePath(below.path) || backingRoot !== undefined) return
  const realPath = await files.realPath(file.path)
  const look = (from: HostPath) => resolveBackingPath(files, from, below.path, { relativeTo: 'besideOverlay' })
  const [fromLink, fromFile] = [await look(file.path), await look(realPath)]
  if (fromLink === null || fromFile === null || isSameFile(fromLink.facts, fromFile.facts)) return
  throw new UmlcowError(
    'BACKING_AMBIGUOUS',
    `${printablePath(file.path)}: is a link, and its backing file "${printablePath(below.path)}" is another one ` +
      `beside the link than beside ${printablePath(realPath)}`,
    { hint: `use "umlcow compact ${shellQuote(realPath)}" for the one beside the file itself` },
  )
}
