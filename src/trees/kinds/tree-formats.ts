import type { TreeSource } from '../source/tree-source.js'
import type { SourceOptions } from '../tree-options.js'
import { openVirtfsSource } from './9p/source.js'
import { openDirectorySource } from './directory/source.js'
import { openHumfsSource } from './humfs/source.js'

/** The trees on disk that can be read: humfs, any directory, and QEMU's 9p server with `security_model=mapped-file`. */
export const treeSources = {
  humfs: openHumfsSource,
  directory: openDirectorySource,
  '9p': openVirtfsSource,
} as const satisfies Record<string, (directory: string, options: SourceOptions) => TreeSource>

export type TreeFormat = keyof typeof treeSources

export const treeFormats = Object.keys(treeSources) as TreeFormat[]

export function isTreeFormat(format: string): format is TreeFormat {
  return Object.hasOwn(treeSources, format)
}
