import { throwIfAborted } from '../../errors.js'
import { exactContent, wholeContent } from '../../formats/manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../../formats/manifest/entry.js'
import type { HostPath } from '../../machine/host-files.js'
import type { NewTreeFile } from '../host/new-tree-file.js'
import type { Owner } from '../host/tree-facts.js'
import type { Pace } from '../pace.js'
import { explainLinkLimit } from './link-limit.js'
import type { NewTree } from './new-tree.js'
import type { Placement, TreePlan } from './tree-plan.js'

/** Makes the names of one kind of tree. The directory above a name exists, and the name is free. */
export interface TreeBuilder {
  /** Makes a directory. The entry is null if the manifest has not listed the directory yet. */
  makeDirectory(path: Buffer, entry: ManifestEntry | null): Promise<void> | void
  /** Adds the entry of a directory that was made without one, or whose entry `discard` has removed. */
  completeDirectory(path: Buffer, entry: ManifestEntry): Promise<void> | void
  link(path: Buffer, first: Buffer, entry: ManifestEntry): void
  /** Makes any other name. */
  makeNode(path: Buffer, item: ManifestItem): Promise<void>
  /** Removes a name, or the entry of a directory and not the directory. Other names of the file keep it. */
  discard(path: Buffer, isDirectory: boolean): void
}

/**
 * Make all names of a manifest.
 *
 * @param isFit  checks an entry. After the first unfit one nothing more is made, but all are checked
 */
export async function buildTree(
  items: AsyncIterable<ManifestItem>,
  plan: TreePlan,
  builder: TreeBuilder,
  pace: Pace,
  isFit: (entry: ManifestEntry, place: Placement) => boolean,
): Promise<void> {
  await builder.makeDirectory(Buffer.alloc(0), null)
  let isGood = true
  for await (const item of items) {
    if (pace.step()) await pace.rest()
    const place = plan.place(item.entry)
    isGood = isFit(item.entry, place) && isGood
    try {
      if (isGood) await buildOne(builder, item, place)
    } catch (error) {
      throw explainLinkLimit(place.path, item.entry.type === 'directory', error)
    }
  }
}

async function buildOne(builder: TreeBuilder, item: ManifestItem, place: Placement): Promise<void> {
  const { entry } = item
  // The name is there already. To replace it would remove the only name of the file.
  if (place.first?.equals(place.path)) return
  if (place.isAgain) builder.discard(place.path, entry.type === 'directory')
  for (const directory of place.missing) await builder.makeDirectory(directory, null)
  if (place.isMade) await builder.completeDirectory(place.path, entry)
  else if (entry.type === 'directory') await builder.makeDirectory(place.path, entry)
  else if (place.first !== null) builder.link(place.path, place.first, entry)
  else await builder.makeNode(place.path, item)
}

/** Mode and owner of a new file. A null owner is not set. */
export interface FileTerms {
  readonly mode: number
  readonly owner: Owner | null
}

/** Make a file with the content of an item. @throws UmlcowError INPUT_CHANGED when the content has another length */
export async function copyContent({ writer, options }: NewTree, path: HostPath, item: ManifestItem, terms: FileTerms) {
  await withNewFile(writer.createFile(path), async (file) => {
    const whole = wholeContent(item)
    if (whole !== null) file.append(whole)
    else {
      for await (const bytes of exactContent(item)) {
        throwIfAborted(options.signal)
        file.append(bytes)
      }
    }
    file.complete({ ...terms, mtimeNs: item.entry.mtimeNs })
  })
}

/** Make a file of a few bytes. */
export async function makeFile(
  { writer }: NewTree,
  path: HostPath,
  bytes: Uint8Array,
  mtimeNs: bigint,
  terms: FileTerms,
) {
  await withNewFile(writer.createFile(path), async (file) => {
    file.append(bytes)
    file.complete({ ...terms, mtimeNs })
  })
}

async function withNewFile(file: NewTreeFile, use: (file: NewTreeFile) => Promise<void>): Promise<void> {
  try {
    await use(file)
  } finally {
    file.close()
  }
}

/** Make a FIFO as a draft, then give it its name. */
export async function placeFifo(tree: NewTree, path: Buffer, mtimeNs: bigint, { mode, owner }: FileTerms) {
  const { writer, draft } = tree
  await writer.makeFifo(draft.toString())
  placeDraft(tree, path, mtimeNs, { mode, owner })
}

/** Give the draft its owner, mode, time and name. It does not replace an existing name. */
export function placeDraft({ writer, draft }: NewTree, path: Buffer, mtimeNs: bigint, terms: FileTerms): void {
  if (terms.owner !== null) writer.setOwner(draft, terms.owner)
  writer.setMode(draft, terms.mode)
  writer.setMtime(draft, mtimeNs)
  writer.link(draft, path)
  writer.unlink(draft)
}
