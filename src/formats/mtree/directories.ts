import { ByteTable } from '../../bytes/byte-table.js'
import { allocate, concatBytes, copyOf, equalBytes, utf8Bytes } from '../../bytes/fast.js'
import { readWord, writeWord } from '../../bytes/words.js'

/** A name in a directory. The top is the empty name in itself. */
export interface MtreeLocation {
  /** The number of the directory. */
  readonly directory: number
  readonly name: Uint8Array
}

/** The number of the top. */
export const topDirectory = 0

const slash = 0x2f
const nothing = allocate(0)
const separator = utf8Bytes('/')

/**
 * Numbers for directories. Names are kept once for each directory, not as parts of paths: in the older form of the text
 * a line of a few bytes may stand for a path of 64 KiB.
 */
export class MtreeDirectories {
  private readonly numbers = new ByteTable()
  private readonly locations: MtreeLocation[] = [{ directory: topDirectory, name: nothing }]
  /** Lengths of the paths. */
  private readonly lengths: number[] = [0]
  private lastFound = { from: topDirectory, path: nothing, directory: topDirectory }
  private lastMade = { directory: topDirectory, path: nothing }

  /** Find the place of a path, without slashes at either end, that starts in a directory. */
  locate(from: number, path: Uint8Array): MtreeLocation {
    if (path.length === 0) return this.locations[from]!
    const end = path.lastIndexOf(slash)
    if (end < 0) return { directory: from, name: path }
    return { directory: this.find(from, path.subarray(0, end)), name: path.subarray(end + 1) }
  }

  /** Get the number of the directory at a place. */
  numberOf(location: MtreeLocation): number {
    if (location.name.length === 0) return location.directory
    const key = locationKey(location)
    const known = this.numbers.get(key)
    if (known !== null) return readWord(known, 0)
    const number = this.locations.length
    const value = allocate(4)
    writeWord(value, 0, number)
    this.numbers.add(key, value)
    this.lengths.push(this.lengthOf(location))
    this.locations.push({ directory: location.directory, name: copyOf(location.name) })
    return number
  }

  /** Get the length of a path. */
  lengthOf({ directory, name }: MtreeLocation): number {
    const above = this.lengths[directory]!
    return above + (above > 0 && name.length > 0 ? 1 : 0) + name.length
  }

  /** Make the path of a place. */
  pathOf({ directory, name }: MtreeLocation): Uint8Array {
    if (this.lastMade.directory !== directory) this.lastMade = { directory, path: this.directoryPath(directory) }
    const { path } = this.lastMade
    if (path.length === 0) return copyOf(name)
    return concatBytes([path, separator, name])
  }

  private directoryPath(directory: number): Uint8Array {
    const path = allocate(this.lengths[directory]!)
    let end = path.length
    for (let at = directory; at !== topDirectory; at = this.locations[at]!.directory) {
      const { name } = this.locations[at]!
      end -= name.length
      path.set(name, end)
      if (end > 0) path[--end] = slash
    }
    return path
  }

  /** Find a directory. Most lines are in the directory of the line before. */
  private find(from: number, path: Uint8Array): number {
    const last = this.lastFound
    if (last.from === from && equalBytes(last.path, path)) return last.directory
    let directory = from
    for (let start = 0; start < path.length; ) {
      const found = path.indexOf(slash, start)
      const end = found < 0 ? path.length : found
      directory = this.numberOf({ directory, name: path.subarray(start, end) })
      start = end + 1
    }
    this.lastFound = { from, path: copyOf(path), directory }
    return directory
  }
}

/** Make the key of a place for a table. */
export function locationKey({ directory, name }: MtreeLocation): Uint8Array {
  const key = allocate(4 + name.length)
  writeWord(key, 0, directory)
  key.set(name, 4)
  return key
}

/** Get the place of a key. */
export function locationOfKey(key: Uint8Array): MtreeLocation {
  return { directory: readWord(key, 0), name: key.subarray(4) }
}
