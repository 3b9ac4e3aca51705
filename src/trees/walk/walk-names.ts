import { joinPath } from '../../machine/path-bytes.js'
import type { TreeFiles } from '../host/tree-files.js'

export interface WalkedName {
  /** With the path of the top. */
  readonly path: Buffer
  readonly isDirectory: boolean
}

interface Level {
  readonly path: Buffer
  /** Of the directories in it, as latin1; null before it was listed. */
  pending: string[] | null
}

/**
 * The names of a tree by what the directories tell, no name is looked at: a directory after all that is in it, the top
 * last. Links are not followed.
 *
 * @param top  a directory
 */
export function* walkNames(files: TreeFiles, top: Buffer): Generator<WalkedName> {
  const levels: Level[] = [{ path: top, pending: null }]
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (level.pending === null) {
      level.pending = []
      for (const { name, isDirectory } of files.children(level.path)) {
        if (isDirectory) level.pending.push(name.toString('latin1'))
        else yield { path: joinPath(level.path, name), isDirectory }
      }
    }
    const next = level.pending.pop()
    if (next !== undefined) levels.push({ path: joinPath(level.path, Buffer.from(next, 'latin1')), pending: null })
    else {
      yield { path: level.path, isDirectory: true }
      levels.pop()
    }
  }
}
