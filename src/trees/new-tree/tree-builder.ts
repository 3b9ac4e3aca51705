import { throwIfAborted } from '../../errors.js'
import { exactContent, wholeContent } from '../../formats/manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../../formats/manifest/entry.js'
import { withHoles } from '../../formats/manifest/holes.js'
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
  makeNode(path: Buffer, item: ManifestItem): Promise<void> | void
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

/** Make one name. Most names take no promise. */
function buildOne(builder: TreeBuilder, item: ManifestItem, place: Placement): Promise<void> | void {
  const { entry } = item
  // The name is there already. To replace it would remove the only name of the file.
  if (place.first?.equals(place.path)) return
  if (place.isAgain) builder.discard(place.path, entry.type === 'directory')
  return place.missing.length > 0 ? buildBelow(builder, item, place) : buildHere(builder, item, place)
}

async function buildBelow(builder: TreeBuilder, item: ManifestItem, place: Placement): Promise<void> {
  for (const directory of place.missing) await builder.makeDirectory(directory, null)
  await buildHere(builder, item, place)
}

function buildHere(builder: TreeBuilder, item: ManifestItem, place: Placement): Promise<void> | void {
  const { entry } = item
  if (place.isMade) return builder.completeDirectory(place.path, entry)
  if (entry.type === 'directory') return builder.makeDirectory(place.path, entry)
  if (place.first !== null) return builder.link(place.path, place.first, entry)
  return builder.makeNode(place.path, item)
}

/** Mode and owner of a new file. A null owner is not set. */
export interface FileTerms {
  readonly mode: number
  readonly owner: Owner | null
}

/**
 * Make a file with the content of an item. A small file takes no promise.
 *
 * @throws UmlcowError INPUT_CHANGED when the content has another length
 */
export function copyContent(tree: NewTree, path: HostPath, item: ManifestItem, terms: FileTerms): void | Promise<void> {
  const whole = wholeContent(item)
  if (whole === null) return copyPieces(tree, path, item, terms)
  makeFile(tree, path, whole, item.entry.mtimeNs, terms)
}

/** Make a file of a few bytes. */
export function makeFile(tree: NewTree, path: HostPath, bytes: Uint8Array, mtimeNs: bigint, terms: FileTerms): void {
  const file = beginFile(tree, path, terms)
  try {
    file.append(bytes)
    completeFile(tree, file, mtimeNs, terms)
  } finally {
    file.close()
  }
}

async function copyPieces(tree: NewTree, path: HostPath, item: ManifestItem, terms: FileTerms): Promise<void> {
  const file = beginFile(tree, path, terms)
  try {
    for await (const part of partsOf(item)) {
      throwIfAborted(tree.options.signal)
      if (typeof part === 'number') file.skip(part)
      else file.append(part)
    }
    completeFile(tree, file, item.entry.mtimeNs, terms)
  } finally {
    file.close()
  }
}

/** The content of an item: bytes, and holes as their lengths. */
function partsOf(item: ManifestItem): AsyncIterable<Uint8Array | number> {
  const sparse = item.content?.sparse
  return sparse === undefined ? exactContent(item) : withHoles(sparse, item.entry.size)
}

/** Begin a file. It gets its mode at once where that is possible, as no other user can enter the work directory. */
function beginFile(tree: NewTree, path: HostPath, terms: FileTerms): NewTreeFile {
  return tree.writer.createFile(path, hasModeAtOnce(tree, terms) ? terms.mode : 0o600)
}

function completeFile(tree: NewTree, file: NewTreeFile, mtimeNs: bigint, terms: FileTerms): void {
  file.complete(hasModeAtOnce(tree, terms) ? null : terms.mode, terms.owner, mtimeNs)
}

/** Whether a new file can have its final mode from the start. A change of the owner may clear bits. */
function hasModeAtOnce({ umask }: NewTree, { mode, owner }: FileTerms): boolean {
  return owner === null && mode <= 0o777 && (mode & umask) === 0
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
