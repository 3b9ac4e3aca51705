import { type CowHeader, cowMagicOrder, maxHeaderSize, parseCowHeader } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { openCowImage } from './cow-image.js'
import type { Image } from './image.js'
import { openRawImage } from './raw-image.js'

/** A file that holds all bytes of an image. */
export interface WholeLayer {
  readonly header: null
  /** Bytes that a guest sees. */
  readonly virtualSize: number
  /** Open the file as an image, which closes the store. */
  open(store: BlockStore): Image & AsyncDisposable
}

/** A file that holds some bytes of an image, and names the file that holds the others. */
export interface OverlayLayer {
  readonly header: CowHeader
  /** Bytes that a guest sees. */
  readonly virtualSize: number
  /** Open the file as an image over `below`. The image closes both. `signal` ends reads with INTERRUPTED. */
  open(store: BlockStore, below: Image, signal?: AbortSignal): Image & AsyncDisposable
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
      const open: OverlayLayer['open'] = (store, below, signal) => openCowImage(store, header, below, signal)
      return { header, virtualSize: header.virtualSize, open }
    },
  },
  raw: {
    begins: () => true,
    isPlain: true,
    parse: (_, { size }) => ({ header: null, virtualSize: size, open: (store) => openRawImage(store) }),
  },
} satisfies Record<string, Format>

export type ImageFormat = keyof typeof formats

const formatNames = Object.keys(formats) as ImageFormat[]

/** Bytes at the start of a file that show its format and hold its header. */
export const headLength = maxHeaderSize

/** Find the format of the file that begins with these bytes. */
export function formatOf(head: Uint8Array): ImageFormat {
  return formatNames.find((name) => formats[name].begins(head))!
}

/** True when the file has the guest's bytes at the guest's offsets, and nothing else. */
export function isPlain(format: ImageFormat): boolean {
  return formats[format].isPlain
}

/** Parse the first bytes of a file. @throws UmlcowError of the format's parser; NOT_COW when the format differs */
export function parseLayer(format: ImageFormat, head: Uint8Array, file: LayerFile): Layer {
  return formats[format].parse(head, file)
}
