import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { ManifestItem } from '../../formats/manifest/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { asBuffer, baseName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import type { TreeReader } from '../../trees/host/tree-reader.js'
import type { ImageSource } from '../../trees/kinds/image/source.js'
import { guardNewTree, makeNewNames, makeNewTree } from '../../trees/new-tree/make-new-tree.js'
import type { NewTree, NewTreeOptions } from '../../trees/new-tree/new-tree.js'
import { guardNewNames } from '../../trees/new-tree/place-new-tree.js'

/** Makes a new tree of items. */
type Build = (items: AsyncIterable<ManifestItem>, tree: NewTree, warn: (message: string) => void) => Promise<void>

interface MadePlaces {
  /** What was made. */
  readonly made: readonly HostPath[]
  readonly warnings: readonly string[]
}

/** Where the files of an image go. */
export interface Places {
  /** One of the new names. */
  readonly first: HostPath
  /** The new names for which there are files. */
  readonly expected: readonly HostPath[]
  /** Note a path of the image that will be made. */
  expect(path: Uint8Array): void
  /** @throws UmlcowError TARGET_EXISTS, TARGET_KIND */
  guard(reader: TreeReader): void
  /** Make everything, whole or not at all. The build gets the items with their paths in its tree. */
  make(items: AsyncIterable<ManifestItem>, options: NewTreeOptions, build: Build): Promise<MadePlaces>
}

/** Find the places of files: the directory for the whole file system, else a name in it for each path. */
export function placesOf(source: ImageSource, directory: HostPath): Places {
  const isWhole = source.tops.some(({ path }) => path.length === 0)
  return isWhole ? wholePlace(directory) : namedPlaces(source, directory)
}

function wholePlace(directory: HostPath): Places {
  return {
    first: directory,
    expected: [directory],
    expect: () => {},
    guard: (reader) => guardNewTree(reader, directory),
    async make(items, options, build) {
      const { warnings } = await makeNewTree(directory, options, (tree, warn) => build(items, tree, warn))
      return { made: [directory], warnings }
    },
  }
}

function namedPlaces(source: ImageSource, directory: HostPath): Places {
  const tops = lastNames(source)
  const names = tops.map(({ name }) => name)
  const all = names.map((name) => joinPath(pathBytes(directory), name))
  const found = new Set<number>()
  return {
    first: all[0]!,
    get expected() {
      return all.filter((_, i) => found.has(i))
    },
    expect(path) {
      const at = tops.findIndex((top) => asBuffer(path).equals(top.path))
      if (at >= 0) found.add(at)
    },
    guard: (reader) => guardNewNames(reader, directory, names),
    async make(items, options, build) {
      const { placed, warnings } = await makeNewNames(directory, names, options, (tree, warn) =>
        build(belowTop(renamed(items, tops), tree), tree, warn),
      )
      return { made: placed, warnings }
    },
  }
}

interface NamedTop {
  /** In the image. */
  readonly path: Uint8Array
  readonly name: Buffer
}

/** Find the names that the paths get. @throws UmlcowError USAGE when two have the same */
function lastNames({ tops }: ImageSource): NamedTop[] {
  const named: NamedTop[] = []
  for (const { path } of tops) {
    const name = baseName(asBuffer(path))
    if (named.some((other) => other.name.equals(name))) {
      throw new UmlcowError('USAGE', `two paths end in ${printablePath(name)}: extract them one after the other`)
    }
    named.push({ path, name })
  }
  return named
}

/** Give the items their paths in the new tree. */
async function* renamed(items: AsyncIterable<ManifestItem>, tops: readonly NamedTop[]): AsyncGenerator<ManifestItem> {
  for await (const { entry, content } of items) {
    const hardLinkTo = entry.hardLinkTo === null ? null : newPath(entry.hardLinkTo, tops)
    yield { entry: { ...entry, path: newPath(entry.path, tops), hardLinkTo }, content }
  }
}

const slash = 0x2f

function newPath(path: Uint8Array, tops: readonly NamedTop[]): Uint8Array {
  const bytes = asBuffer(path)
  const top = tops.find((one) => {
    const { length } = one.path
    return (bytes.length === length || bytes[length] === slash) && bytes.subarray(0, length).equals(one.path)
  })
  if (top === undefined) throw new Error('unreachable: a file outside of all paths')
  return Buffer.concat([top.name, bytes.subarray(top.path.length)])
}

/** Put the items below a directory that only this user can enter. */
async function* belowTop(items: AsyncIterable<ManifestItem>, { reader }: NewTree): AsyncGenerator<ManifestItem> {
  const { uid, gid } = reader.user()
  const nothing = { device: null, linkTarget: null, hardLinkTo: null, size: 0, xattrs: null }
  const path = Buffer.alloc(0)
  yield { entry: { path, type: 'directory', mode: 0o700, uid, gid, mtimeNs: 0n, ...nothing }, content: null }
  yield* items
}
