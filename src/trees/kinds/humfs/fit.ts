import { UmlcowError } from '../../../errors.js'
import { metadataLine } from '../../../formats/humfs/metadata.js'
import { shorten } from '../../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../../formats/manifest/entry.js'
import type { HostPath } from '../../../machine/host-files.js'
import { joinPath } from '../../../machine/path-bytes.js'
import type { Placement } from '../../new-tree/tree-plan.js'
import type { Problems } from '../../problems.js'
import { longestPath } from '../../tree-path.js'
import { letterOf, metadataOf, type NodeFacts } from './entry.js'
import { entryName, humfsPaths, longestPathOf } from './paths.js'

/** Bytes of the longest name, and of the longest target of a link, that the system takes. */
const longestName = 255
const longestTarget = 4095

const slash = 0x2f
const nothing = Buffer.alloc(0)
const reserved = Buffer.from(entryName)

/** Get the facts that go into the metadata. */
export function nodeFactsOf({ type, mode, uid, gid, device }: ManifestEntry): NodeFacts {
  return { type, mode, uid, gid, major: device?.major ?? 0, minor: device?.minor ?? 0 }
}

/** Add the suffix to every directory called `metadata` in a path. */
export function withRenamedDirectories(path: Buffer, isDirectory: boolean, suffix: string): Buffer {
  if (!path.includes(reserved)) return path
  const names = splitPath(path)
  const renamed = names.map((name, i) => {
    const isRenamed = name.equals(reserved) && (isDirectory || i < names.length - 1)
    return isRenamed ? `${entryName}${suffix}` : name
  })
  return renamed.reduce<Buffer>((whole, name) => joinPath(whole, name), Buffer.alloc(0))
}

function splitPath(path: Buffer): Buffer[] {
  const names: Buffer[] = []
  let start = 0
  for (let end = path.indexOf(slash); end >= 0; end = path.indexOf(slash, start)) {
    names.push(path.subarray(start, end))
    start = end + 1
  }
  return [...names, path.subarray(start)]
}

/** Find the length of the longest name in a path, in bytes. */
export function longestNameOf(path: Buffer): number {
  let longest = 0
  for (let start = 0; start <= path.length; ) {
    const found = path.indexOf(slash, start)
    const end = found < 0 ? path.length : found
    longest = Math.max(longest, end - start)
    start = end + 1
  }
  return longest
}

/** Finds the entries that the system or humfs cannot represent, by the rules of humfsify. */
export class HumfsFit {
  private readonly problems: Problems
  /** Bytes of the longest path of the metadata, without the name's own path. */
  private readonly longestBase: number

  /** @param places  the work directory and the final place of the tree: paths must not be too long in either */
  constructor(problems: Problems, ...places: HostPath[]) {
    this.problems = problems
    this.longestBase = Math.max(...places.map((place) => longestPathOf(humfsPaths(place), nothing)))
  }

  /** Check an entry, and add its problems. @returns whether it has none */
  check(entry: ManifestEntry, { path, first, missing }: Placement): boolean {
    const before = this.problems.count
    for (const one of missing) this.checkName(one, true)
    this.checkName(path, entry.type === 'directory')
    const longest = this.longestBase + path.length
    if (longest > longestPath) {
      this.add(path, `the path of its metadata takes ${longest} bytes, the system takes ${longestPath}`)
    } else if (first !== null && first.length > longestPath) {
      this.add(path, `is a further name of a path of ${first.length} bytes, the system takes ${longestPath}`)
    } else if (path.length > longestName && longestNameOf(path) > longestName) {
      this.add(path, `its name takes ${longestNameOf(path)} bytes, the system takes ${longestName}`)
    }
    const target = entry.linkTarget?.length ?? 0
    if (target > longestTarget) this.add(path, `its target takes ${target} bytes, the system takes ${longestTarget}`)
    this.checkMetadata(path, entry)
    return this.problems.count === before
  }

  private checkMetadata(path: Buffer, entry: ManifestEntry): void {
    // The three numbers of any other entry always fit.
    if (letterOf[entry.type] === undefined) return
    try {
      metadataLine(metadataOf(nodeFactsOf(entry), false))
    } catch (error) {
      if (!(error instanceof UmlcowError)) throw error
      this.add(path, error.message)
    }
  }

  private checkName(path: Buffer, isDirectory: boolean): void {
    const start = path.length - reserved.length
    const isReserved = isDirectory && path.subarray(Math.max(0, start)).equals(reserved)
    if (isReserved && (start === 0 || path[start - 1] === slash)) {
      this.add(path, 'a directory of this name cannot be stored (--rename-metadata SUFFIX renames it)')
    }
  }

  private add(path: Buffer, message: string): void {
    this.problems.add(Buffer.from(shorten(path)), message)
  }
}
