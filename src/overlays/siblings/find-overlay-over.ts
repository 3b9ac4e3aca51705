import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { layerOf, lookInto } from '../open.js'
import { filesOfName, isAmong } from '../qcow2-names.js'
import { resolveBackingPath } from '../resolve-backing.js'

/**
 * Find an overlay in a directory whose header leads to a file. It reads only headers, and skips files that it cannot
 * read.
 *
 * @param except  names that do not count, one character for each byte
 */
export async function findOverlayOver(
  files: HostFiles,
  directory: HostPath,
  file: FileFacts,
  signal?: AbortSignal,
  except?: ReadonlySet<string>,
): Promise<Buffer | null> {
  for await (const name of files.names(directory)) {
    throwIfAborted(signal)
    if (except?.has(name.toString('latin1'))) continue
    const path = joinPath(directory, name)
    if (await leadsTo(files, path, file)) return path
  }
  return null
}

async function leadsTo(files: HostFiles, path: Buffer, file: FileFacts): Promise<boolean> {
  try {
    const facts = await files.lstatOrNull(path)
    if (facts?.kind !== 'file' || isSameFile(facts, file)) return false
    return await lookInto(files, path, async (found) => {
      const { below, qcow2 } = layerOf(found)
      if (below === null) return false
      if (qcow2 !== null) return isAmong(await filesOfName(files, [path], below.path), file)
      const backing = await resolveBackingPath(files, path, below.path)
      return backing !== null && isSameFile(backing.facts, file)
    })
  } catch (error) {
    if (hasCode(error, 'BACKING_AMBIGUOUS')) return true // One of the two may be the file, so protect it.
    if (error instanceof UmlcowError) return false // Unreadable, or not an overlay.
    throw error
  }
}
