import { longestMetadataFile } from '../formats/humfs/metadata.js'
import { joinPath } from '../host/path-bytes.js'
import type { TreeFacts } from '../host/tree-files.js'
import type { Inspected } from './inspect-tree.js'
import { foreignOwner } from './shadow-entry.js'
import type { Found } from './tree-findings.js'
import type { Workspace } from './workspace.js'

/** What came by of files and of entries with several names. */
export interface LinkedNames {
  /** The first entry of each file: where it is, its inode and what it says. */
  readonly files: Map<string, { readonly place: Buffer; readonly inode: bigint; readonly text: string }>
  /** The file that each entry belongs to. */
  readonly entries: Map<string, string>
}

export function noLinkedNames(): LinkedNames {
  return { files: new Map(), entries: new Map() }
}

/** The names of one file have one entry, for a guest's chown is to be seen under all of them; others share none. */
export function checkLinks(work: Workspace, one: Inspected, linked: LinkedNames, found: Found): void {
  const { item, entryFacts } = one
  if (entryFacts === null) return
  if (item.facts.nlink > 1 && item.facts.type !== 'directory') checkFile(work, one, entryFacts, linked, found)
  if (entryFacts.nlink > 1) checkShared(work, one, entryFacts, linked, found)
}

function keyOf({ device, inode }: TreeFacts): string {
  return `${device}:${inode}`
}

function checkFile(
  work: Workspace,
  { item, entry, entryPath }: Inspected,
  { inode }: TreeFacts,
  { files }: LinkedNames,
  found: Found,
): void {
  const key = keyOf(item.facts)
  const text = JSON.stringify(entry)
  const first = files.get(key)
  if (first === undefined) {
    files.set(key, { place: entryPath, inode, text })
    return
  }
  if (first.inode === inode) return
  const repair = first.text === text ? () => relink(work, first.place, entryPath) : null
  found('hard-links', 'is a further name of a file, and its metadata is not one with that of the first', repair)
}

function checkShared(
  work: Workspace,
  { item, entryPath }: Inspected,
  entryFacts: TreeFacts,
  { entries }: LinkedNames,
  found: Found,
): void {
  const key = keyOf(entryFacts)
  const own = keyOf(item.facts)
  const owner = entries.get(key)
  if (owner === undefined) entries.set(key, own)
  else if (owner !== own) {
    const repair = () => unshare(work, entryPath, entryFacts)
    found(
      'shared-entry',
      'has its metadata in one file with another name, and what a guest changes changes both',
      repair,
    )
  }
}

function relink({ treeFiles, paths }: Workspace, from: Buffer, to: Buffer): void {
  const draft = joinPath(paths.work, 'draft')
  treeFiles.link(from, draft)
  treeFiles.rename(draft, to)
}

/** A copy takes the place of what is shared. */
function unshare({ treeFiles, paths }: Workspace, place: Buffer, facts: TreeFacts): void {
  const draft = joinPath(paths.work, 'draft')
  const text = treeFiles.readStart(place, Math.min(facts.size, longestMetadataFile + 1))
  treeFiles.writeNew(draft, text, facts.mode, foreignOwner(facts))
  treeFiles.rename(draft, place)
}
