import { printablePath } from '../../bytes/escape.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import { isDevice, type ManifestEntry, type ManifestItem } from '../../formats/manifest/index.js'
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
import type { NewTree, NewTreeOptions } from '../../trees/new-tree/new-tree.js'
import { itemCounter } from '../../trees/transfer/count-items.js'
import { refuseInWork } from '../../trees/transfer/guard-output.js'
import { type TreeOptions, treeRules } from '../../trees/tree-options.js'
import { createWarnings } from '../../trees/warnings.js'
import { Losses, plainMode } from './losses.js'
import { placesOf } from './places.js'

export interface ExtractFilesOptions extends ImageSourceOptions, TreeOptions {
  /** Look at all files, make nothing. */
  readonly dryRun?: boolean | undefined
}

export interface ExtractResult {
  readonly directory: string
  /** What was made: the directory itself for the whole file system, else names in it for paths. */
  readonly made: readonly string[]
  /** Names that were made, or would be in a dry run. */
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
 * that exists; these names must be free. All of them appear, each whole,
 * or none. What the user cannot make is left out. Root gives the files their owners, modes and
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
    check(entry) {
      losses.look(entry)
      if (losses.canMake(entry)) places.expect(entry.path)
    },
  })
  await refuseManyNames(reader, links.most, places.first, signal)
  const resultOf = (made: readonly HostPath[], warnings: readonly string[] = []): ExtractResult => ({
    directory: printablePath(directory),
    made: made.map(printablePath),
    entries: survey.entries - losses.result().devices.count,
    size: survey.size,
    losses: losses.result(),
    dryRun,
    warnings: [...insideWarnings(source), ...source.warnings, ...losses.warnings(), ...warnings],
  })
  if (dryRun) return resultOf(places.expected)

  const counter = itemCounter(survey, true, options)
  // The walk gives each name once.
  const named: NewTreeOptions = { ...options, name: 'the image', onProgress: undefined, duplicates: 'refuse' }
  const done = await places.make(source.items(counter), named, (items, tree, warn) => build(items, tree, losses, warn))
  counter.finish()
  return resultOf(done.made, done.warnings)
}

function insideWarnings({ inside }: ImageSource): string[] {
  const warnings = createWarnings()
  for (const { path, directory } of inside) {
    const place = directory.length === 0 ? 'the root directory' : shownPath(directory)
    warnings.add(`${shownPath(path)}: gets no place of its own, because ${place} is extracted with all that it holds`)
  }
  return warnings.list()
}

async function build(
  items: AsyncIterable<ManifestItem>,
  tree: NewTree,
  losses: Losses,
  warn: (message: string) => void,
): Promise<void> {
  const isRoot = tree.reader.user().uid === 0
  const attributes = new NewAttributes(tree, isRoot)
  // The losses tell about attributes and owners.
  const told = { watch: { look: () => {}, warnings: () => [] }, warnsOfDiffering: false }
  const onMade = async () => {
    const end = await attributes.set()
    if (end === 'missing') warn('extended attributes were not set: install the program setfattr (Debian: package attr)')
    else if (end !== 'complete') losses.addFailures(end)
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
    if (isRoot) yield { entry: attributes.add(entry), content }
    else if (!isDevice(entry.type)) yield { entry: attributes.add(withoutAccessList(entry)), content }
  }
}

function withoutAccessList(entry: ManifestEntry): ManifestEntry {
  const mode = plainMode(entry)
  return mode === entry.mode ? entry : { ...entry, mode }
}
