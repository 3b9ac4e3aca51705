import { printablePath } from '../../bytes/escape.js'
import type { HostPath } from '../../machine/host-files.js'
import { pathBytes } from '../../machine/path-bytes.js'
import type { FileAttribute } from '../../machine/programs/getfattr-output.js'
import type { TreeReader } from '../host/tree-reader.js'
import { AttributeLosses, copyAdvice, type LossReport } from './attribute-losses.js'
import { searchAttributes } from './search-attributes.js'

interface LossSearch<T> extends LossReport {
  readonly signal: AbortSignal | undefined
  /** What to do during the search. */
  readonly meanwhile: () => Promise<T>
  /** Whether an attribute of a file counts. */
  readonly counts?: (path: Buffer, attribute: FileAttribute) => boolean
}

/**
 * Search a tree for extended attributes that are lost, while `meanwhile` runs.
 *
 * @returns the result of `meanwhile`, and a warning for each file with attributes
 * @throws  what `meanwhile` throws, INTERRUPTED
 */
export async function searchLosses<T>(
  reader: TreeReader,
  directory: Buffer,
  { signal, meanwhile, counts, ...report }: LossSearch<T>,
): Promise<{ readonly result: T; readonly warnings: readonly string[] }> {
  const losses = new AttributeLosses(report)
  const { result, warnings } = await searchAttributes(reader, directory, {
    signal,
    meanwhile,
    onFile(path, all) {
      losses.add(path, counts === undefined ? all : all.filter((one) => counts(path, one)))
    },
  })
  return { result, warnings: [...warnings, ...losses.list()] }
}

/** Warn about all extended attributes of the files of a directory, for an operation that copies the files. */
export async function lostInDirectory(
  reader: TreeReader,
  directory: HostPath,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const shown = printablePath(directory)
  const nameOf = (path: Uint8Array) => (path.length === 0 ? shown : `${shown}/${printablePath(path)}`)
  const search = { signal, meanwhile: async () => {}, nameOf, advice: copyAdvice }
  return (await searchLosses(reader, pathBytes(directory), search)).warnings
}
