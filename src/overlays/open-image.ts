import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { cowMagicOrder } from '../formats/cow/index.js'
import { openCowImage } from '../images/cow-image.js'
import type { Image } from '../images/image.js'
import { imageStore } from '../images/image-store.js'
import { openRawImage } from '../images/raw-image.js'
import { backingRules, checkedOptions, forceOf, hostPath, operationRules, type Rules } from '../machine/arguments.js'
import { type ForceWord, refuseUnlessForced } from '../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile, localHostFiles } from '../machine/host-files.js'
import type { BlockStore } from '../stores/block-store.js'
import { type BackingOptions, inspectBacking } from './backing.js'
import { type InputFile, type Overlay, openInput, openOverlay, readHeaderBytes } from './open-overlay.js'
import type { LocatedFile } from './resolve-backing.js'

/** Layers of a chain; more is a mistake. */
const maxChainLength = 64

export interface OpenBackingOptions extends BackingOptions {
  /** Disagreements to accept. */
  readonly force?: readonly ForceWord[] | undefined
  /** Ends reads and walks over long bitmaps. */
  readonly signal?: AbortSignal | undefined
}

/** The backing of an overlay, opened for reading. */
export interface OpenBacking {
  /** What the guest sees of it. Closes the same file as `store`. */
  readonly image: Image
  /** The same bytes for an executor: the file itself, unless it is an overlay of a chain. */
  readonly store: BlockStore
  /** The backing file and, in a chain, the files below it. */
  readonly inputs: readonly LocatedFile[]
  /** The same files, open. */
  readonly openFiles: readonly InputFile[]
}

/**
 * Open the backing file of an overlay: as plain data, or with `chain` as the image that it is.
 *
 * @param above  the files of the chain so far, to notice a circle
 * @throws       UmlcowError BACKING_IS_COW without `chain`, CHAIN_TOO_LONG, and what opening throws
 */
export async function openBacking(
  files: HostFiles,
  located: LocatedFile,
  options: OpenBackingOptions,
  above: readonly FileFacts[],
): Promise<OpenBacking> {
  const input = await openInput(files, located.path)
  let isCow: boolean
  try {
    isCow = cowMagicOrder(await readHeaderBytes(input.store)) !== null
  } catch (error) {
    await input.store.close()
    throw error
  }
  if (!isCow) return { image: openRawImage(input.store), store: input.store, inputs: [located], openFiles: [input] }
  await input.store.close()

  const name = printablePath(located.path)
  if (!options.chain) {
    throw new UmlcowError(
      'BACKING_IS_COW',
      `${name}: is itself a COW file; the kernel takes such a backing file as plain data`,
      {
        hint: 'use --chain to read it as the overlay it is',
      },
    )
  }
  if (above.length >= maxChainLength || above.some((facts) => isSameFile(facts, located.facts))) {
    throw new UmlcowError('CHAIN_TOO_LONG', `${name}: the chain of backing files is too long or goes in a circle`)
  }
  const overlay = await openOverlay(files, located.path)
  try {
    // A backing file that was given stands for the topmost one only.
    const below = await openBackingOf(files, overlay, { ...options, backing: undefined }, [...above, located.facts])
    const image = openCowImage(overlay.store, overlay.header, below.image, options.signal)
    return {
      image,
      store: imageStore(image, name),
      inputs: [located, ...below.inputs],
      openFiles: [overlay, ...below.openFiles],
    }
  } catch (error) {
    await overlay.store.close()
    throw error
  }
}

/** Find, compare and open what an overlay's header names. @throws UmlcowError BACKING_…, and as `openBacking` */
export async function openBackingOf(
  files: HostFiles,
  overlay: Overlay,
  options: OpenBackingOptions,
  above: readonly FileFacts[] = [overlay.facts],
): Promise<OpenBacking> {
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
export async function openImage(path: HostPath | URL, options: OpenImageOptions = {}): Promise<Image> {
  return openGuestView(hostPath('path', path), checkedOptions(options, openImageRules))
}

async function openGuestView(path: HostPath, options: OpenImageOptions): Promise<Image> {
  const files = options.files ?? localHostFiles
  const input = await openInput(files, path)
  let isCow: boolean
  try {
    isCow = cowMagicOrder(await readHeaderBytes(input.store)) !== null
  } catch (error) {
    await input.store.close()
    throw error
  }
  if (!isCow) return openRawImage(input.store)
  await input.store.close()
  return openOverlayView(path, options)
}

/** As `openImage`, for a file that has to be an overlay. @throws UmlcowError NOT_COW */
export async function openCow(path: HostPath | URL, options: OpenImageOptions = {}): Promise<Image> {
  return openOverlayView(hostPath('path', path), checkedOptions(options, openImageRules))
}

async function openOverlayView(path: HostPath, options: OpenImageOptions): Promise<Image> {
  const files = options.files ?? localHostFiles
  const overlay = await openOverlay(files, path)
  try {
    const backing = await openBackingOf(files, overlay, options)
    return openCowImage(overlay.store, overlay.header, backing.image, options.signal)
  } catch (error) {
    await overlay.store.close()
    throw error
  }
}
