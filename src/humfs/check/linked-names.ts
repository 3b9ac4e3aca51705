import { longestMetadataFile, type ParsedMetadata } from '../../formats/humfs/metadata.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../../trees/host/tree-facts.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import { entryPath } from '../../trees/kinds/humfs/paths.js'
import { foreignOwner } from '../../trees/kinds/humfs/shadow-entry.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inodeKey, LinkTable } from '../../trees/link-table.js'
import type { Found } from './tree-findings.js'

/** What came by of files and of entries with several names. */
export interface LinkedNames {
  /** The first entry of each file: its inode, what it says, and where it is. */
  readonly files: LinkTable
  /** The file that each entry belongs to. */
  readonly entries: LinkTable
}

export function noLinkedNames(): LinkedNames {
  return { files: new LinkTable(), entries: new LinkTable() }
}

/** The names of one file have one entry, for a guest's chown is to be seen under all of them; others share none. */
export function checkLinks(work: Workspace, one: Inspected, linked: LinkedNames, found: Found): void {
  const { item, entry, entryFacts } = one
  if (entry === null || entryFacts === null) return
  // Most names are the only ones of their file: nothing is made for these.
  const noteOf = (): Note => ({ inode: `${entryFacts.inode}`, text: textOf(entry), path: item.path })
  const first = linked.files.further(item.facts, () => serializeNote(noteOf()))
  if (first !== null) checkFile(work, noteOf(), parseNote(first), found)
  const ownFile = () => inodeKey(item.facts)
  const owner = linked.entries.further(entryFacts, ownFile)
  if (owner === null || owner.equals(ownFile())) return
  const repair = () => unshare(work, one.entryPath, entryFacts)
  found('shared-entry', 'has its metadata in one file with another name, and what a guest changes changes both', repair)
}

interface Note {
  readonly inode: string
  /** What the entry says. */
  readonly text: string
  /** In data. */
  readonly path: Buffer
}

function textOf({ mode, uid, gid, node }: ParsedMetadata): string {
  return node === null ? `${mode} ${uid} ${gid}` : JSON.stringify([mode, uid, gid, node])
}

function serializeNote({ inode, text, path }: Note): Buffer {
  return Buffer.concat([Buffer.from(`${inode}\0${text}\0`), path])
}

function parseNote(bytes: Buffer): Note {
  const textStart = bytes.indexOf(0) + 1
  const textEnd = bytes.indexOf(0, textStart)
  return {
    inode: bytes.toString('latin1', 0, textStart - 1),
    text: bytes.toString('latin1', textStart, textEnd),
    path: bytes.subarray(textEnd + 1),
  }
}

function checkFile(work: Workspace, own: Note, first: Note, found: Found): void {
  if (first.inode === own.inode) return
  const placeOf = ({ path }: Note) => entryPath(work.paths, path, false)
  const repair = first.text === own.text ? () => relink(work, placeOf(first), placeOf(own)) : null
  found('hard-links', 'is a further name of a file, and its metadata is not one with that of the first', repair)
}

function relink(work: Workspace, from: Buffer, to: Buffer): void {
  const draft = freeDraft(work)
  work.writer.link(from, draft)
  work.writer.rename(draft, to)
}

/** One that failed may have left it. */
function freeDraft({ reader, writer, paths }: Workspace): Buffer {
  const draft = joinPath(paths.work, 'draft')
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  return draft
}

/** A copy takes the place of what is shared. */
function unshare(work: Workspace, place: Buffer, facts: TreeFacts): void {
  const { reader, writer, options } = work
  // Another repair may have put something else there.
  if (reader.lstat(place).inode !== facts.inode) return
  const draft = freeDraft(work)
  const text = reader.readStart(place, Math.min(facts.size, longestMetadataFile + 1))
  writer.writeNew(draft, text, facts.mode, foreignOwner(facts, reader.user()))
  if (!options.noSync) writer.syncFile(draft)
  writer.rename(draft, place)
}
