import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import type { Image } from '../images/image.js'
import { type ImageFormat, isPlain } from '../images/image-formats.js'
import { imageStore } from '../images/image-store.js'
import { type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile, localHostFiles } from '../machine/host-files.js'
import { backingRules, checkedOptions, forceOf, hostPath, operationRules, type Rules } from '../machine/option-rules.js'
import type { BlockStore } from '../stores/block-store.js'
import { type BackingOptions, inspectBacking } from './inspect-backing.js'
import { closeOnFailure, type InputFile, layerOf, openProbed, type ProbedFile } from './open.js'
import { type Overlay, withHeader } from './open-overlay.js'
import type { LocatedFile } from './resolve-backing.js'
import { assertNotTorn } from './rewrite-header.js'

/** The largest number of layers in a chain; more of them are a mistake. */
const maxChainLength = 64

export interface OpenBackingOptions extends BackingOptions {
  /** Disagreements between header and backing file to accept. */
  readonly force?: readonly ForceWord[] | undefined
  /** Interrupts reads, and walks over long bitmaps. */
  readonly signal?: AbortSignal | undefined
}

/** An image opened by its path: what a guest sees, and the files of the host that hold it. Closing it closes them. */
export interface FileImage extends Image {
  /** Its own file and, for an overlay, those of the image below it; top first. */
  readonly files: readonly InputFile[]
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
  /** Throws when the file must not have its format. */
  readonly check?: ((file: ProbedFile) => void) | undefined
  /** The format to assume, whatever the first bytes of the file show. */
  readonly format?: ImageFormat | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Open a file as an image of its format.
 *
 * @throws UmlcowError for a damaged header, UNFINISHED_REWRITE, and what `openInput`, `check` and `openBelow` throw
 */
export async function openLayers(
  files: HostFiles,
  path: HostPath,
  options: LayerOptions,
): Promise<FileImage & AsyncDisposable> {
  const probed = await openProbed(files, path)
  const file = { ...probed, format: options.format ?? probed.format }
  return closeOnFailure(file.store, async () => {
    options.check?.(file)
    if (!isPlain(file.format)) await assertNotTorn(files, path, file.head)
    const layer = layerOf(file)
    if (layer.header === null) {
      return Object.assign(layer.open(file.store), { files: [file], plain: isPlain(file.format) ? file : null })
    }
    const below = await options.openBelow(withHeader(file, layer.header))
    return Object.assign(layer.open(file.store, below, options.signal), { files: [file, ...below.files], plain: null })
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
  // A backing file that the caller names stands only for the topmost one.
  const below = { ...options, backing: undefined }
  return openLayers(files, located.path, {
    check: ({ format }) => isPlain(format) || refuseLayer(located, options, above),
    openBelow: (overlay) => openBackingOf(files, overlay, below, [...above, located.facts]),
    signal: options.signal,
  })
}

function refuseLayer({ path, facts }: LocatedFile, { chain }: OpenBackingOptions, above: readonly FileFacts[]): void {
  const name = printablePath(path)
  if (!chain) {
    throw new UmlcowError(
      'BACKING_IS_COW',
      `${name}: is itself a COW file; the kernel takes such a backing file as plain data`,
      { hint: 'use --chain to read it as the overlay it is' },
    )
  }
  if (above.length >= maxChainLength || above.some((one) => isSameFile(one, facts))) {
    throw new UmlcowError('CHAIN_TOO_LONG', `${name}: the chain of backing files is too long or goes in a circle`)
  }
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
 * Open what a guest sees of a file: an overlay with its backing file, or anything else as a raw image.
 *
 * @throws UmlcowError for a damaged header, a backing file that is missing or does not fit, or a failed open
 */
export async function openImage(
  path: HostPath | URL,
  options: OpenImageOptions = {},
): Promise<Image & AsyncDisposable> {
  return openByPath(hostPath('path', path), checkedOptions(options, openImageRules))
}

/** Open an overlay as `openImage` does, and refuse any other file. @throws UmlcowError NOT_COW */
export async function openCow(path: HostPath | URL, options: OpenImageOptions = {}): Promise<Image & AsyncDisposable> {
  return openByPath(hostPath('path', path), checkedOptions(options, openImageRules), 'cow')
}

async function openByPath(
  path: HostPath,
  options: OpenImageOptions,
  format?: ImageFormat,
): Promise<FileImage & AsyncDisposable> {
  const { files = localHostFiles, signal } = options
  const openBelow = (overlay: Overlay) => openBackingOf(files, overlay, options)
  return openLayers(files, path, { openBelow, format, signal })
}
