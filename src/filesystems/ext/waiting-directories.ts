import { NumberSet } from '../../bytes/number-set.js'
import type { ExtInode } from '../../formats/ext/index.js'
import { maxPathLength } from '../../formats/manifest/index.js'
import { damagedExt } from './findings.js'

/** The way to a directory from where a walk began. Directories below share it, so that memory does not follow paths. */
export interface ExtWay {
  readonly above: ExtWay | null
  /** Of the top: its path, which may be empty. */
  readonly name: Uint8Array
  /** Bytes of the path. */
  readonly length: number
}

interface Waiting<T> {
  readonly directory: T
  readonly way: ExtWay
}

interface Named<T> {
  readonly name: Uint8Array
  readonly inode: T
}

const slash = 0x2f

/** Every name in a directory that a walk enters makes a path that umlcow can read and write. */
const longestWay = maxPathLength - 256

/** The directories that a walk has yet to enter. It knows those that had their turn, and takes none of them again. */
export class WaitingDirectories<T extends Pick<ExtInode, 'number'>> {
  readonly #seen = new NumberSet()
  /** The next one last. */
  readonly #waiting: Waiting<T>[] = []

  /** @param path  of the top, which comes first */
  constructor(top: T, path: Uint8Array) {
    this.#seen.add(top.number)
    this.#waiting.push({ directory: top, way: { above: null, name: path, length: path.length } })
  }

  next(): Waiting<T> | undefined {
    return this.#waiting.pop()
  }

  /**
   * Take a directory, which comes next.
   *
   * @returns  false: it had its turn, or waits for it
   * @throws   UmlcowError FS_DAMAGED when its path is too long: time follows the depth
   */
  take({ name, inode }: Named<T>, above: ExtWay): boolean {
    if (this.#seen.has(inode.number)) return false
    const length = above.length + (above.length === 0 ? 0 : 1) + name.length
    if (length > longestWay) {
      throw damagedExt(`the path of the directory at inode ${inode.number} has more than ${longestWay} bytes`)
    }
    this.#seen.add(inode.number)
    this.#waiting.push({ directory: inode, way: { above, name, length } })
    return true
  }

  /** Take directories, which come next in their order. @throws UmlcowError FS_DAMAGED also for one with two names */
  takeAll(directories: readonly Named<T>[], above: ExtWay): void {
    for (let i = directories.length - 1; i >= 0; i--) {
      const directory = directories[i]!
      if (this.take(directory, above)) continue
      throw damagedExt(`the directory at inode ${directory.inode.number} has two names`)
    }
  }
}

/** Write out the path of a directory, without a slash at either end. */
export function pathOfWay(way: ExtWay): Uint8Array {
  const path = new Uint8Array(way.length).fill(slash)
  for (let at: ExtWay | null = way; at !== null; at = at.above) path.set(at.name, at.length - at.name.length)
  return path
}
