import { hasCode, UmlcowError } from '../errors.js'
import type { TreeReader } from '../trees/host/tree-reader.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'
import { createPace, type Pace } from '../trees/pace.js'
import { walkNames } from '../trees/walk/walk-names.js'

export interface NameCounts {
  files: number
  directories: number
}

/** Count the names in the directories of a tree. The top counts as a directory. */
export async function countNames(reader: TreeReader, top: Buffer, pace: Pace): Promise<NameCounts> {
  const counts = { files: 0, directories: 0 }
  for (const { isDirectory } of walkNames(reader, top)) {
    counts[isDirectory ? 'directories' : 'files']++
    if (pace.step()) await pace.rest()
  }
  return counts
}

/**
 * Count the names of data if the caller wants progress.
 *
 * @returns undefined without `onProgress`, or when a directory cannot be listed: the later walk reports that error
 */
export async function sizeOfProgress({ reader, paths, options }: Workspace): Promise<number | undefined> {
  if (options.onProgress === undefined) return undefined
  const pace = createPace({ signal: options.signal, description: 'counting' })
  try {
    const { files, directories } = await countNames(reader, paths.data, pace)
    return files + directories
  } catch (error) {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED')) throw error
    return undefined
  }
}
