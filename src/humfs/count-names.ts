import { hasCode, UmlcowError } from '../errors.js'
import type { TreeReader } from '../trees/host/tree-reader.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'
import { createPace, type Pace } from '../trees/pace.js'
import { walkNames } from '../trees/walk/walk-names.js'

export interface NameCounts {
  files: number
  directories: number
}

/** How many names a tree has, by what its directories tell; its top is one of the directories. */
export async function countNames(reader: TreeReader, top: Buffer, pace: Pace): Promise<NameCounts> {
  const counts = { files: 0, directories: 0 }
  for (const { isDirectory } of walkNames(reader, top)) {
    counts[isDirectory ? 'directories' : 'files']++
    if (pace.step()) await pace.rest()
  }
  return counts
}

/**
 * How many names of data there are to look at, where somebody wants to see progress.
 *
 * @returns undefined where nobody does, or a directory cannot be listed, which is for the walk itself to tell
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
