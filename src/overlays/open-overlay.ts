import { printablePath } from '../bytes/escape.js'
import { type CowHeader, type CowLayout, computeLayout, parseCowHeader } from '../formats/cow/index.js'
import type { BackingReference } from '../images/image-formats.js'
import type { FileFacts, HostFiles, HostPath } from '../machine/host-files.js'
import type { FileAccess } from '../machine/stores/file-store.js'
import { closeOnFailure, type InputFile, layerOf, openProbed, type ProbedFile } from './open.js'
import { assertNotTorn } from './rewrite-header.js'

/** An open overlay: its file, header and layout. */
export interface Overlay extends InputFile {
  readonly header: CowHeader
  readonly layout: CowLayout
}

/**
 * Open an overlay and parse its header.
 *
 * @throws UmlcowError as `openInput` and `parseCowHeader`; UNFINISHED_REWRITE
 */
export async function openOverlay(files: HostFiles, path: HostPath, access: FileAccess = 'read'): Promise<Overlay> {
  const file = await openProbed(files, path, access)
  return closeOnFailure(file.store, async () => {
    await assertNotTorn(files, path, file.head)
    return toOverlay(file, file.head)
  })
}

/**
 * Parse the first bytes of a file as the header of an overlay.
 *
 * @throws UmlcowError as `parseCowHeader`, NOT_COW for a file of another format
 */
export function toOverlay(input: InputFile, head: Uint8Array): Overlay {
  const header = parseCowHeader(head, { fileSize: input.facts.size, name: printablePath(input.path) })
  return withHeader(input, header)
}

/** Convert an open file to an overlay; null when it is not one. @throws UmlcowError for a damaged header */
export function overlayOf(file: ProbedFile): Overlay | null {
  const { header } = layerOf(file)
  return header === null ? null : withHeader(file, header)
}

/** A qcow2 image that names a backing file. `facts` are those of its file; absent while it is not made yet. */
export interface Qcow2Overlay {
  readonly path: HostPath
  readonly facts?: FileFacts | undefined
  readonly below: BackingReference
}

/** Make an overlay of a file and its parsed header. */
export function withHeader({ path, store, facts }: InputFile, header: CowHeader): Overlay {
  return { path, store, facts, header, layout: computeLayout(header) }
}
