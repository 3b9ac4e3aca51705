import { longestMetadataFile, type ParsedMetadata } from '../../formats/humfs/metadata.js'
import { joinPath } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../../trees/host/tree-facts.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import { entryPath } from '../../trees/kinds/humfs/paths.js'
import { foreignOwner } from '../../trees/kinds/humfs/shadow-entry.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inodeKey, LinkTable } from '../../trees/link-table.js'
import type { Found } from './tree-findings.js'

/** The files and the entries with several names that the check has seen. */
export interface LinkedNames {
  /** The first entry of each file: its inode, its content and its path. */
  readonly files: LinkTable
  /** The file that each entry belongs to. */
  readonly entries: LinkTable
}

/** Make empty tables, for the start of a check. */
export function noLinkedNames(): LinkedNames {
  return { files: new LinkTable(), entries: new LinkTable() }
}

/**
 * Check the hard links of entries. All names of one file share one entry, because a guest's chown must show under every
 * name. Names of different files share no entry.
 */
export function checkLinks(work: Workspace, one: Inspected, linked: LinkedNames, found: Found): void {
  const { item, entry, entryFacts } = one
  if (entry === null || entryFacts === null) return
  // The note is made only on demand: most files have one name.
  const noteOf = (): Note => ({ inode: `${entryFacts.inode}`, text: textOf(entry), path: item.path })
  const first = linked.files.further(item.facts, () => serializeNote(noteOf()))
  if (first !== null) checkFile(work, noteOf(), parseNote(first), found)
  const ownFile = () => inodeKey(item.facts)
  const owner = linked.entries.further(entryFacts, ownFile)
  if (owner === null || owner.equals(ownFile())) return
  const repair = () => unshare(work, one.entryPath, entryFacts)
  found('shared-entry', 'shares its metadata file with another file: a change by a guest affects both', repair)
}

interface Note {
  readonly inode: string
  /** The content of the entry. */
  readonly text: string
  /** Relative to data. */
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
  found(
    'hard-links',
    'is a hard link, but its metadata is not: expected a hard link to the metadata of the first name',
    repair,
  )
}

function relink(work: Workspace, from: Buffer, to: Buffer): void {
  const draft = freeDraft(work)
  work.writer.link(from, draft)
  work.writer.rename(draft, to)
}

/** Find a free name for a draft. A repair that failed may have left its draft there. */
function freeDraft({ reader, writer, paths }: Workspace): Buffer {
  const draft = joinPath(paths.work, 'draft')
  if (reader.lstatOrNull(draft) !== null) writer.unlink(draft)
  return draft
}

/** Replace a shared entry by a copy. */
function unshare(work: Workspace, place: Buffer, facts: TreeFacts): void {
  const { reader, writer, options } = work
  // Another repair may have replaced the entry already.
  if (reader.lstat(place).inode !== facts.inode) return
  const draft = freeDraft(work)
  const text = reader.readStart(place, Math.min(facts.size, longestMetadataFile + 1))
  writer.writeNew(draft, text, facts.mode, foreignOwner(facts, reader.user()))
  if (!options.noSync) writer.syncFile(draft)
  writer.rename(draft, place)
}
