import { printablePath } from '../bytes/escape.js'
import type { Image } from '../images/image.js'
import { type ImageFormat, isPlain } from '../images/image-formats.js'
import { imageStore } from '../images/image-store.js'
import { type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, localHostFiles } from '../machine/host-files.js'
import { backingRules, checkedOptions, forceOf, hostPath, operationRules, type Rules } from '../machine/option-rules.js'
import { hostUnpackers } from '../machine/unpackers.js'
import type { BlockStore } from '../stores/block-store.js'
import { formatBelowCow, formatBelowQcow2, refuseCircle } from './format-below.js'
import { type BackingOptions, inspectBacking, inspectQcow2Backing } from './inspect-backing.js'
import { closeOnFailure, type InputFile, layerOf, openProbed, type ProbedFile } from './open.js'
import { type Overlay, type Qcow2Overlay, withHeader } from './open-overlay.js'
import type { LocatedFile } from './resolve-backing.js'
import { assertNotTorn } from './rewrite-header.js'

export interface OpenBackingOptions extends BackingOptions {
  /** Disagreements between header and backing file to accept. */
  readonly force?: readonly ForceWord[] | undefined
  /** Interrupts reads, and walks over long bitmaps. */
  readonly signal?: AbortSignal | undefined
}

/** An image opened by its path: what a guest sees, and the files of the host that hold it. Closing it closes them. */
export interface FileImage extends Image {
  /** Its own file and, for an overlay, those of the image below it; top first. */
  readonly files: readonly ProbedFile[]
  /** The file that has the guest's bytes at the guest's offsets; null for an image of several layers. */
  readonly plain: InputFile | null
}

/** Choose the store through which an executor reads an image: the file of a plain image, or else the image itself. */
export function storeOf(image: FileImage): BlockStore {
  return image.plain?.store ?? imageStore(image, printablePath(image.files[0]!.path))
}

/** How to open the layers of an image. */
export interface LayerOptions {
  /** Opens the image below an overlay. */
  readonly openBelow: (overlay: Overlay) => Promise<FileImage>
  /** Opens the image below a qcow2 image. */
  readonly openBelowQcow2: (overlay: Qcow2Overlay) => Promise<FileImage>
  /** Decides the format, where the first bytes of the file do not. Throws when the file must not have its format. */
  readonly format?: ((file: ProbedFile) => ImageFormat) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Open a file as an image of its format.
 *
 * @throws UmlcowError for a damaged header, UNFINISHED_REWRITE, and what `openInput`, `format` and `openBelow` throw
 */
export async function openLayers(
  files: HostFiles,
  path: HostPath,
  options: LayerOptions,
): Promise<FileImage & AsyncDisposable> {
  const probed = await openProbed(files, path)
  return closeOnFailure(probed.store, async () => {
    const file = { ...probed, format: options.format?.(probed) ?? probed.format }
    if (file.format === 'cow') await assertNotTorn(files, path, file.head)
    const layer = layerOf(file)
    const how = { signal: options.signal, unpackers: hostUnpackers }
    if (layer.below === null) {
      const plain = isPlain(file.format) ? file : null
      return Object.assign(layer.open(file.store, how), { files: [file], plain })
    }
    const below = await (layer.header === null
      ? options.openBelowQcow2({ ...file, below: layer.below })
      : options.openBelow(withHeader(file, layer.header)))
    return Object.assign(layer.open(file.store, below, how), { files: [file, ...below.files], plain: null })
  })
}

/**
 * Open the backing file of an overlay: as plain data, or with `chain` as an image of its format.
 *
 * @param above  the files of the chain so far, to notice a circle
 * @throws       UmlcowError BACKING_IS_COW without `chain`, CHAIN_TOO_LONG, and what opening throws
 */
export async function openBacking(
  files: HostFiles,
  located: LocatedFile,
  options: OpenBackingOptions,
  above: readonly FileFacts[],
): Promise<FileImage> {
  return openLayers(files, located.path, {
    ...belowOptions(files, located, options, above),
    format: (file) => formatBelowCow(file, located, options, above),
  })
}

/** How to open the layers below a backing file. */
function belowOptions(
  files: HostFiles,
  { facts }: LocatedFile,
  options: OpenBackingOptions,
  above: readonly FileFacts[],
): LayerOptions {
  // A backing file that the caller names stands only for the topmost one.
  const below = { ...options, backing: undefined }
  const seen = [...above, facts]
  return {
    openBelow: (overlay) => openBackingOf(files, overlay, below, seen),
    openBelowQcow2: (overlay) => openBackingOfQcow2(files, overlay, below, seen),
    signal: options.signal,
  }
}

/**
 * Find and open the backing file of a qcow2 image, in the format that the image records.
 *
 * @throws UmlcowError BACKING_…, CHAIN_TOO_LONG, and what opening throws
 */
export async function openBackingOfQcow2(
  files: HostFiles,
  overlay: Qcow2Overlay,
  options: OpenBackingOptions,
  above: readonly FileFacts[] = overlay.facts === undefined ? [] : [overlay.facts],
): Promise<FileImage> {
  const inspection = await inspectQcow2Backing(files, overlay, options)
  refuseUnlessForced(inspection.findings, options.force)
  const { located } = inspection
  if (located === null) throw new Error('unreachable: a missing backing file is a finding')
  const name = printablePath(located.path)
  refuseCircle(name, located.facts, above)
  return openLayers(files, located.path, {
    ...belowOptions(files, located, options, above),
    format: ({ format }) => formatBelowQcow2(overlay, name, format),
  })
}

/** Find, compare and open the backing file of an overlay. @throws UmlcowError BACKING_…, and as `openBacking` */
export async function openBackingOf(
  files: HostFiles,
  overlay: Overlay,
  options: OpenBackingOptions,
  above: readonly FileFacts[] = [overlay.facts],
): Promise<FileImage> {
  const inspection = await inspectBacking(files, overlay, options)
  refuseUnlessForced(inspection.findings, options.force)
  if (inspection.located === null) throw new Error('unreachable: a missing backing file is a finding')
  return openBacking(files, inspection.located, options, above)
}

export interface OpenImageOptions extends OpenBackingOptions {
  readonly files?: HostFiles | undefined
}

export const openImageRules: Rules = { ...operationRules, ...backingRules, force: forceOf('mtime', 'size') }

/**
 * Open what a guest sees of a file: an overlay or a qcow2 image with its backing file, or anything else as a raw image.
 *
 * It reads no more than it must, so it does not check the tables of a qcow2 image. `check` does.
 *
 * @throws UmlcowError for a damaged header, a backing file that is missing or does not fit, or a failed open
 */
export async function openImage(
  path: HostPath | URL,
  options: OpenImageOptions = {},
): Promise<Image & AsyncDisposable> {
  const checked = checkedOptions(options, openImageRules)
  return openFileImage(checked.files ?? localHostFiles, hostPath('path', path), checked)
}

/** Open an overlay as `openImage` does, and refuse any other file. @throws UmlcowError NOT_COW */
export async function openCow(path: HostPath | URL, options: OpenImageOptions = {}): Promise<Image & AsyncDisposable> {
  const checked = checkedOptions(options, openImageRules)
  return openFileImage(checked.files ?? localHostFiles, hostPath('path', path), checked, 'cow')
}

/** Open an image with all its layers. @param format  the format that the file must have */
export async function openFileImage(
  files: HostFiles,
  path: HostPath,
  options: OpenBackingOptions,
  format?: ImageFormat,
): Promise<FileImage & AsyncDisposable> {
  return openLayers(files, path, {
    openBelow: (overlay) => openBackingOf(files, overlay, options),
    openBelowQcow2: (overlay) => openBackingOfQcow2(files, overlay, options),
    format: format === undefined ? undefined : () => format,
    signal: options.signal,
  })
}
