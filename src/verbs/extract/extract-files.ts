import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { ManifestItem } from '../../formats/manifest/entry.js'
import { isDevice } from '../../formats/manifest/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { checkedOptions, flag, hostPath, type Rules } from '../../machine/option-rules.js'
import { asBuffer, baseName, joinPath, pathBytes } from '../../machine/path-bytes.js'
import type { Owner } from '../../trees/host/tree-facts.js'
import { treeHostOf } from '../../trees/host/tree-host.js'
import { buildDirectory } from '../../trees/kinds/directory/build-directory.js'
import { NewAttributes } from '../../trees/kinds/directory/new-attributes.js'
import {
  type ImageSource,
  type ImageSourceOptions,
  imageSourceRules,
  openImageSource,
} from '../../trees/kinds/image/source.js'
import { NameCounter, refuseManyNames } from '../../trees/new-tree/link-limit.js'
import { guardNewTree, makeNewNames, makeNewTree } from '../../trees/new-tree/make-new-tree.js'
import type { NewTree } from '../../trees/new-tree/new-tree.js'
import { guardNewNames } from '../../trees/new-tree/place-new-tree.js'
import { itemCounter } from '../../trees/transfer/count-items.js'
import { refuseInWork } from '../../trees/transfer/guard-output.js'
import { type TreeOptions, treeRules } from '../../trees/tree-options.js'
import { createWarnings } from '../../trees/warnings.js'
import { isOfHost, Losses } from './losses.js'

export interface ExtractFilesOptions extends ImageSourceOptions, TreeOptions {
  /** Look at all files, make nothing. */
  readonly dryRun?: boolean | undefined
}

export interface ExtractResult {
  readonly directory: string
  /** What was made: the directory itself for the whole file system, else a name in it for each path. */
  readonly made: readonly string[]
  /** Names in the image. */
  readonly entries: number
  /** Bytes of content, with holes. */
  readonly size: number
  /** What the extracted files lack. */
  readonly losses: ReturnType<Losses['result']>
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

const extractRules: Rules = { ...treeRules, ...imageSourceRules, dryRun: flag }

/**
 * Copy files of an image, and all that lies below them, to a directory of the host.
 *
 * The whole file system becomes the directory, which must be new or empty. Paths get their last names in a directory
 * that exists; these names must be free. Each appears whole or not at all. Root gives the files their owners, modes and
 * attributes, and makes devices. Other users get what they can make.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, USAGE for two paths with one last name, TOO_MANY_LINKS, and as
 *         `openImageSource`
 */
export async function extractFiles(
  image: HostPath | URL,
  place: HostPath | URL,
  given: ExtractFilesOptions = {},
): Promise<ExtractResult> {
  const directory = hostPath('directory', place)
  const options = checkedOptions(given, extractRules)
  const source = await openImageSource(image, { ...options, paths: options.paths })
  try {
    return await extractFrom(source, directory, options)
  } finally {
    await source.close()
  }
}

async function extractFrom(
  source: ImageSource,
  directory: HostPath,
  options: ExtractFilesOptions,
): Promise<ExtractResult> {
  const { dryRun = false, signal } = options
  const { reader } = treeHostOf(options)
  const isWhole = source.tops.some(({ path }) => path.length === 0)
  const moved = lastNames(source)
  const names = moved.map(({ name }) => name)
  if (isWhole) guardNewTree(reader, directory)
  else guardNewNames(reader, directory, names)
  const first = isWhole ? directory : joinPath(pathBytes(directory), names[0]!)
  refuseInWork(reader, source.parts, first)
  const links = new NameCounter()
  const survey = await source.survey({ onName: ({ path, facts }) => links.add(path, facts) })
  await refuseManyNames(reader, links.most, first, signal)
  const losses = new Losses()
  const warnings = createWarnings(source.warnings)
  const made = isWhole
    ? [printablePath(directory)]
    : names.map((name) => printablePath(joinPath(pathBytes(directory), name)))
  const result = { directory: printablePath(directory), made, ...survey, dryRun }
  if (dryRun) return { ...result, losses: losses.result(), warnings: warnings.list() }

  const counter = itemCounter(survey, true, options)
  const items = renamed(source.items(counter), moved)
  const build = (tree: NewTree, warn: (message: string) => void) =>
    buildExtracted(isWhole ? items : belowTop(items, tree), tree, options, losses, warn)
  const done = isWhole
    ? await makeNewTree(directory, { ...options, name: 'the image' }, build)
    : await makeNewNames(directory, names, { ...options, name: 'the image' }, build)
  counter.finish()
  for (const warning of [...done.warnings, ...losses.warnings()]) warnings.add(warning)
  return { ...result, losses: losses.result(), warnings: warnings.list() }
}

interface Moved {
  readonly path: Uint8Array
  readonly name: Buffer
}

/** Find the names that the paths get. @throws UmlcowError USAGE when two have the same */
function lastNames({ tops }: ImageSource): Moved[] {
  const moved: Moved[] = []
  for (const { path } of tops) {
    const name = baseName(asBuffer(path))
    if (moved.some((other) => other.name.equals(name))) {
      throw new UmlcowError('USAGE', `two paths end in ${printablePath(name)}: extract them one after the other`)
    }
    moved.push({ path, name })
  }
  return moved
}

/** Give the items their paths in the new tree. */
async function* renamed(items: AsyncIterable<ManifestItem>, moved: readonly Moved[]): AsyncGenerator<ManifestItem> {
  for await (const item of items) {
    const { path, hardLinkTo } = item.entry
    const entry = {
      ...item.entry,
      path: newPath(path, moved),
      hardLinkTo: hardLinkTo === null ? null : newPath(hardLinkTo, moved),
    }
    yield { entry, content: item.content }
  }
}

function newPath(path: Uint8Array, moved: readonly Moved[]): Uint8Array {
  const bytes = asBuffer(path)
  const slash = 0x2f
  const top = moved.find((one) => {
    const isStart = bytes.subarray(0, one.path.length).equals(one.path)
    return isStart && (bytes.length === one.path.length || bytes[one.path.length] === slash || one.path.length === 0)
  })
  if (top === undefined) throw new Error('unreachable: a file outside of all paths')
  return top.path.length === 0 ? path : Buffer.concat([top.name, bytes.subarray(top.path.length)])
}

/** Put the items below a directory that only this user can enter. */
async function* belowTop(items: AsyncIterable<ManifestItem>, { reader }: NewTree): AsyncGenerator<ManifestItem> {
  const { uid, gid } = reader.user()
  const nothing = { device: null, linkTarget: null, hardLinkTo: null, size: 0, xattrs: null }
  const path = Buffer.alloc(0)
  yield { entry: { path, type: 'directory', mode: 0o700, uid, gid, mtimeNs: 0n, ...nothing }, content: null }
  yield* items
}

async function buildExtracted(
  items: AsyncIterable<ManifestItem>,
  tree: NewTree,
  options: ExtractFilesOptions,
  losses: Losses,
  warn: (message: string) => void,
): Promise<void> {
  const user = tree.reader.user()
  const attributes = new NewAttributes(tree, user.uid === 0)
  const wanted = possibleItems(items, attributes, losses, user)
  await buildDirectory(
    wanted,
    tree,
    {
      ...options,
      name: 'the image',
      onProgress: undefined,
      watch: { look: () => {}, warnings: () => [] },
      warnsOfDiffering: false,
      async onMade() {
        const warning = await attributes.set()
        if (warning !== null) warn(warning)
      },
    },
    warn,
  )
}

/** Pass on what the user can make, and note the rest. */
async function* possibleItems(
  items: AsyncIterable<ManifestItem>,
  attributes: NewAttributes,
  losses: Losses,
  user: Owner,
): AsyncGenerator<ManifestItem> {
  const isRoot = user.uid === 0
  for await (const { entry, content } of items) {
    if (!isRoot && isDevice(entry.type)) {
      losses.add('devices', entry.path)
      continue
    }
    if (entry.hardLinkTo === null) {
      if (!isRoot) losses.addForUser(entry, user)
      const lost = (entry.xattrs ?? []).filter((one) => !attributes.takes(entry, one) && !isOfHost(one.name))
      losses.addAttributes(
        entry.path,
        lost.map(({ name }) => name),
      )
    }
    yield { entry: attributes.add(entry), content }
  }
}
