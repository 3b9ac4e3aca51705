import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import { baseName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import { targetFacts } from '../../overlays/guard-target.js'

export interface CopyPlace {
  readonly source: string
  readonly target: Buffer
}

/**
 * Decide where copies go, as cp does: one source to the target, or any number into a directory, under their own names.
 *
 * @throws UmlcowError TARGET_KIND when several sources have no directory to go to, TARGET_EXISTS when two have one name
 */
export async function placeCopies(files: HostFiles, sources: readonly string[], target: string): Promise<CopyPlace[]> {
  if ((await targetFacts(files, target))?.kind !== 'directory') {
    const [source] = sources
    if (source !== undefined && sources.length === 1) return [{ source, target: pathBytes(target) }]
    throw new UmlcowError('TARGET_KIND', `${printablePath(target)}: is not a directory, and several files go there`)
  }
  const places = sources.map((source) => ({ source, target: joinPath(target, baseName(source)) }))
  const taken = new Map<string, HostPath>()
  for (const { source, target: place } of places) {
    const name = place.toString('latin1')
    const other = taken.get(name)
    if (other !== undefined) {
      throw new UmlcowError(
        'TARGET_EXISTS',
        `${printablePath(place)}: the copies of ${printablePath(other)} and ${printablePath(source)} both have this name`,
      )
    }
    taken.set(name, source)
  }
  return places
}
