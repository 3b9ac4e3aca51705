import { hasCode, UmlcowError } from '../../errors.js'
import type { HostFiles } from '../../machine/host-files.js'
import { directoryName, isAbsolutePath, joinPath } from '../../machine/path-bytes.js'
import { layerOf, type ProbedFile } from '../open.js'
import { filesOfName, isAmong, pathsInName } from '../qcow2-names.js'
import { type LocatedFile, resolveBackingPath } from '../resolve-backing.js'
import type { Qcow2Sibling, UnknownFile } from './sibling-search.js'
import type { FoundFile } from './walk-files.js'

/** A directory that a process has as its root directory. */
export interface Jail {
  readonly path: string
  /** Absolute, links resolved. */
  readonly realPath: Buffer
}

interface Qcow2Search {
  readonly files: HostFiles
  readonly jail: Jail | null
  readonly qcow2: Qcow2Sibling[]
  readonly unknown: UnknownFile[]
}

/** Note a qcow2 image that has a backing file, or whose header umlcow cannot read. */
export async function noteQcow2(
  { files, jail, qcow2, unknown }: Qcow2Search,
  found: FoundFile,
  file: ProbedFile,
): Promise<void> {
  try {
    const { below } = layerOf(file)
    if (below === null) return
    const targets = await targetsOfQcow2(files, jail, found, below.path)
    if (targets.length > 0) qcow2.push({ path: found.realPath, targets, backingFormat: below.format })
  } catch (error) {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED', 'EMFILE', 'ENFILE')) throw error
    unknown.push({ path: found.path, reason: error.message, isQcow2: true })
  }
}

/** Find every file that the name in a qcow2 image may lead to. QEMU takes the name of the image that it was given. */
async function targetsOfQcow2(
  files: HostFiles,
  jail: Jail | null,
  found: FoundFile,
  path: Uint8Array,
): Promise<LocatedFile[]> {
  const targets = await filesOfName(files, [found.path, found.realPath], path)
  if (jail === null) return targets
  for (const name of pathsInName(path)) {
    const one = await targetInJail(files, jail, found, name)
    if (one !== null && !isAmong(targets, one.facts)) targets.push(one)
  }
  return targets
}

/** Find the file that a process in the jail finds; null also for a path that leads out of it. */
async function targetInJail(
  files: HostFiles,
  jail: Jail,
  { realPath }: FoundFile,
  path: Uint8Array,
): Promise<LocatedFile | null> {
  const top = joinPath(jail.realPath, '')
  const isInside = realPath.indexOf(top) === 0
  if (!isAbsolutePath(path) && !isInside) return null
  const inJail = isAbsolutePath(path) ? path : joinPath(directoryName(realPath.subarray(top.length - 1)), path)
  try {
    return await resolveBackingPath(files, realPath, inJail, { backingRoot: jail.path })
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'ELOOP', 'DEVICE_SIZE', 'BACKING_OUTSIDE_ROOT')) return null
    throw error
  }
}
