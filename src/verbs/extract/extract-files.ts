import { printablePath } from '../../bytes/escape.js'
import { isDevice, type ManifestItem } from '../../formats/manifest/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { checkedOptions, flag, hostPath, type Rules } from '../../machine/option-rules.js'
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
import type { NewTree } from '../../trees/new-tree/new-tree.js'
import { itemCounter } from '../../trees/transfer/count-items.js'
import { refuseInWork } from '../../trees/transfer/guard-output.js'
import { type TreeOptions, treeRules } from '../../trees/tree-options.js'
import { createWarnings } from '../../trees/warnings.js'
import { Losses } from './losses.js'
import { placesOf } from './places.js'

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
  const source = await openImageSource(image, options)
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
  const places = placesOf(source, directory)
  places.guard(reader)
  refuseInWork(reader, source.parts, places.first)
  const links = new NameCounter()
  const losses = new Losses(reader.user())
  const survey = await source.survey({
    onName: ({ path, facts }) => links.add(path, facts),
    check: (entry) => losses.look(entry),
  })
  await refuseManyNames(reader, links.most, places.first, signal)
  const warnings = createWarnings([...source.warnings, ...losses.warnings()])
  const result = { directory: printablePath(directory), ...survey, losses: losses.result(), dryRun }
  if (dryRun) return { ...result, made: places.all.map(printablePath), warnings: warnings.list() }

  const counter = itemCounter(survey, true, options)
  const named = { ...options, name: 'the image', onProgress: undefined }
  const done = await places.make(source.items(counter), named, (items, tree, warn) => build(items, tree, warn))
  counter.finish()
  for (const warning of done.warnings) warnings.add(warning)
  return { ...result, made: done.made.map(printablePath), warnings: warnings.list() }
}

async function build(
  items: AsyncIterable<ManifestItem>,
  tree: NewTree,
  warn: (message: string) => void,
): Promise<void> {
  const isRoot = tree.reader.user().uid === 0
  const attributes = new NewAttributes(tree, isRoot)
  // The losses tell about attributes and owners.
  const told = { watch: { look: () => {}, warnings: () => [] }, warnsOfDiffering: false }
  const onMade = async () => {
    const warning = await attributes.set()
    if (warning !== null) warn(warning)
  }
  await buildDirectory(possibleItems(items, attributes, isRoot), tree, { ...tree.options, ...told, onMade }, warn)
}

/** Pass on what the user can make. */
async function* possibleItems(
  items: AsyncIterable<ManifestItem>,
  attributes: NewAttributes,
  isRoot: boolean,
): AsyncGenerator<ManifestItem> {
  for await (const { entry, content } of items) {
    if (isRoot || !isDevice(entry.type)) yield { entry: attributes.add(entry), content }
  }
}
