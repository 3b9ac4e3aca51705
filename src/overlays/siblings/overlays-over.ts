import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { cowMagicOrder, parseCowHeader } from '../../formats/cow/index.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { openInput, readHeaderBytes } from '../open-overlay.js'
import { resolveBackingPath } from '../resolve-backing.js'

/**
 * Find an overlay in a directory whose header leads to a file. Only headers are read; files that cannot be read are
 * passed over.
 */
export async function findOverlayOver(
  files: HostFiles,
  directory: HostPath,
  file: FileFacts,
  signal?: AbortSignal,
): Promise<Buffer | null> {
  for await (const name of files.names(directory)) {
    throwIfAborted(signal)
    const path = joinPath(directory, name)
    if (await leadsTo(files, path, file)) return path
  }
  return null
}

async function leadsTo(files: HostFiles, path: Buffer, file: FileFacts): Promise<boolean> {
  try {
    const facts = await files.lstatOrNull(path)
    if (facts?.kind !== 'file' || isSameFile(facts, file)) return false
    const input = await openInput(files, path)
    try {
      const bytes = await readHeaderBytes(input.store)
      if (cowMagicOrder(bytes) === null) return false
      const backing = await resolveBackingPath(files, path, parseCowHeader(bytes, { fileSize: facts.size }).backingPath)
      return backing !== null && isSameFile(backing.facts, file)
    } finally {
      await input.store.close()
    }
  } catch (error) {
    if (hasCode(error, 'BACKING_AMBIGUOUS')) return true // One of the two may be the file: it is protected.
    if (error instanceof UmlcowError) return false // Not readable, or no overlay after all.
    throw error
  }
}
