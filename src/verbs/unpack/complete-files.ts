import { printablePath } from '../../bytes/escape.js'
import { editHeader, maxHeaderSize, parseCowHeader } from '../../formats/cow/index.js'
import { splitTime } from '../../formats/manifest/time.js'
import type { PackMember } from '../../formats/pack/manifest.js'
import type { HostFiles } from '../../machine/host-files.js'
import { type MtimePrecision, preserveMtime } from '../../machine/preserve-mtime.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { toOverlay } from '../../overlays/open-overlay.js'
import { storedBackingPath } from '../../overlays/stored-path.js'
import { readExact, writeExact } from '../../stores/block-store.js'
import { assertReadsBack } from '../rebase.js'
import type { UnpackOptions } from './options.js'

/** A file that is written, but has no name yet. */
export interface WrittenFile {
  readonly member: PackMember
  readonly path: Buffer
  readonly store: FileStore
}

/** Where the backing file of an overlay is now, and its mtime in seconds. */
export interface BackingPlace {
  readonly path: Buffer
  readonly mtime: number
}

/**
 * Rewrite the header of an overlay: the path leads to where its backing file is now. The mtime in the header is that of
 * the backing file, as the digest shows that it holds the right bytes, unless they disagreed before.
 *
 * @returns the stored path, and a warning or null
 */
export async function relocate(
  files: HostFiles,
  { member, path, store }: WrittenFile,
  backing: BackingPlace,
  { relative }: UnpackOptions,
): Promise<{ backingPath: Buffer; warning: string | null }> {
  const head = new Uint8Array(Math.min(maxHeaderSize, store.size))
  await readExact(store, 0, head)
  const shown = printablePath(path)
  const header = parseCowHeader(head, { fileSize: store.size, name: shown })
  const style = { kind: relative ? 'relative' : 'absolute' } as const
  const backingPath = await storedBackingPath(files, path, backing.path, style)
  const packedMtime = Number(splitTime(member.overlay!.backing.mtimeNs).seconds)
  const agrees = header.mtime === packedMtime
  const after = editHeader(header, { backingPath, mtime: agrees ? backing.mtime : header.mtime })
  assertReadsBack(after, toOverlay({ path, store, facts: files.statOpen(store) }, head), backingPath)
  await writeExact(store, 0, after)
  const warning = `${shown}: its header did not agree with its backing file when it was packed, so no guest opens it`
  return { backingPath, warning: agrees ? null : warning }
}

/** Give a written file its permissions and its mtime. @returns how exactly it got the mtime */
export async function finishFile(
  files: HostFiles,
  { member, store }: WrittenFile,
  noSync: boolean,
): Promise<MtimePrecision> {
  await files.setPermissions(store, member.mode & 0o777)
  const { seconds } = splitTime(member.mtimeNs)
  const precision = await preserveMtime(files, store, { mtime: Number(seconds), mtimeNs: member.mtimeNs })
  if (!noSync) await store.sync()
  return precision
}
