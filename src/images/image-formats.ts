import { type CowHeader, cowMagicOrder, maxHeaderSize, parseCowHeader } from '../formats/cow/index.js'
import { isQcow2, parseQcow2Header, type Qcow2Header } from '../formats/qcow2/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { openCowImage } from './cow-image.js'
import type { Image } from './image.js'
import { openQcow2Image } from './qcow2/qcow2-image.js'
import type { Unpackers } from './qcow2/unpackers.js'
import { openRawImage } from './raw-image.js'

/** How to open a layer. */
export interface OpenLayerOptions {
  /** How to unpack compressed clusters of qcow2; default what every platform has, which lacks zstd. */
  readonly unpackers?: Unpackers | undefined
  /** Ends reads and walks with INTERRUPTED. */
  readonly signal?: AbortSignal | undefined
}

interface CommonLayer {
  /** Bytes that a guest sees. */
  readonly virtualSize: number
  /** The header of a qcow2 image; null for other formats. */
  readonly qcow2: Qcow2Header | null
}

/** A file that holds all bytes of an image. */
export interface WholeLayer extends CommonLayer {
  readonly header: null
  readonly below: null
  /** Open the file as an image, which closes the store. */
  open(store: BlockStore, options?: OpenLayerOptions): Image & AsyncDisposable
}

/** What a file says about the one that holds the bytes below its own. */
export interface BackingReference {
  /** Bytes, not text. */
  readonly path: Uint8Array
  /** The name of its format; null when the file does not record it. */
  readonly format: string | null
}

/** A file that holds some bytes of an image, and names the file that holds the others. */
export interface OverlayLayer extends CommonLayer {
  /** The header of a COW file; null for other formats. */
  readonly header: CowHeader | null
  readonly below: BackingReference
  /** Open the file as an image over `below`. The image closes both. */
  open(store: BlockStore, below: Image, options?: OpenLayerOptions): Image & AsyncDisposable
}

/** What the first bytes of a file say about it. */
export type Layer = WholeLayer | OverlayLayer

/** What a parser needs to know about a file besides its first bytes. */
export interface LayerFile {
  /** Its length, bytes. */
  readonly size: number
  /** For messages. */
  readonly name: string
}

interface Format {
  /** True when a file of this format can begin with these bytes. */
  begins(head: Uint8Array): boolean
  /** The file has the guest's bytes at the guest's offsets, and nothing else. */
  readonly isPlain: boolean
  /** @throws UmlcowError for a damaged header */
  parse(head: Uint8Array, file: LayerFile): Layer
}

/** The formats of images. The first that fits wins, so `raw`, which fits all bytes, is the last. */
const formats = {
  cow: {
    begins: (head) => cowMagicOrder(head) !== null,
    isPlain: false,
    parse: (head, { size, name }) => {
      const header = parseCowHeader(head, { fileSize: size, name })
      return {
        header,
        qcow2: null,
        virtualSize: header.virtualSize,
        below: { path: header.backingPath, format: 'raw' },
        open: (store, below, options) => openCowImage(store, header, below, options?.signal),
      }
    },
  },
  qcow2: {
    begins: isQcow2,
    isPlain: false,
    parse: (head, { size, name }) => qcow2Layer(parseQcow2Header(head, { fileSize: size, name })),
  },
  raw: {
    begins: () => true,
    isPlain: true,
    parse: (_, { size }) => ({
      header: null,
      qcow2: null,
      below: null,
      virtualSize: size,
      open: (store) => openRawImage(store),
    }),
  },
} satisfies Record<string, Format>

function qcow2Layer(qcow2: Qcow2Header): Layer {
  const { virtualSize, backingPath, extensions } = qcow2
  const common = { header: null, qcow2, virtualSize }
  if (backingPath === null) {
    return { ...common, below: null, open: (store, options) => openQcow2Image(store, qcow2, null, options) }
  }
  return {
    ...common,
    below: { path: backingPath, format: extensions.backingFormat },
    open: (store, below, options) => openQcow2Image(store, qcow2, below, options),
  }
}

export type ImageFormat = keyof typeof formats

const formatNames = Object.keys(formats) as ImageFormat[]

/** Bytes at the start of a file that show its format and hold its header. */
export const headLength = maxHeaderSize

/** Find the format of the file that begins with these bytes. */
export function formatOf(head: Uint8Array): ImageFormat {
  return formatNames.find((name) => formats[name].begins(head))!
}

/** True when umlcow reads images of a format with this name. */
export function isImageFormat(name: string): name is ImageFormat {
  return Object.hasOwn(formats, name)
}

/** True when the file has the guest's bytes at the guest's offsets, and nothing else. */
export function isPlain(format: ImageFormat): boolean {
  return formats[format].isPlain
}

/** Parse the first bytes of a file. @throws UmlcowError of the format's parser; NOT_COW when the format differs */
export function parseLayer(format: ImageFormat, head: Uint8Array, file: LayerFile): Layer {
  return formats[format].parse(head, file)
}
