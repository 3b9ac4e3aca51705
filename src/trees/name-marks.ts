import { isDeviceZero } from '../formats/manifest/device.js'
import type { DeviceNumber, EntryType } from '../formats/manifest/entry.js'
import { asBuffer } from '../machine/path-bytes.js'
import { createWarnings } from './warnings.js'

// Names that mean something to another program, and nothing in a tree of files. Sources: OCI image specification, "Image
// Layer Filesystem Changeset" (whiteouts) and "Image Layout"; Linux, Documentation/filesystems/overlayfs.rst; aufs(5).

const slash = 0x2f
const whiteout = Buffer.from('.wh.')
const leftover = Buffer.from('.umlcow-')
const virtfs = Buffer.from('.virtfs_metadata')
const layer = '/layer.tar'
const layerTar = Buffer.from(layer)

const layerAdvice =
  'to merge the layers of an image into one tree, unpack it ("umoci unpack") or export a container ("docker export")'

/** Trees that are not what they seem, by names that they have at their top. */
const wholes: readonly (readonly [names: readonly string[], text: string])[] = [
  [['oci-layout', 'index.json'], `is an OCI image, not the tree of files in it; ${layerAdvice}`],
  [['manifest.json', layer], `is an image of "docker save", not the tree of files in it; ${layerAdvice}`],
  [['superblock', 'data', 'file_metadata'], 'is a humfs tree: as a directory, --from humfs reads its owners and modes'],
]

const topNames = new Set(wholes.flatMap(([names]) => names))
const longestTopName = 32
const dot = 0x2e

/** Notices names of a tree that are marks of another program. */
export class NameMarks {
  private readonly named = createWarnings()
  private readonly tops = new Set<string>()
  private firstVirtfs: string | null = null
  private hasLayers = false

  /** @param shown  writes the path for a message */
  add(path: Uint8Array, type: EntryType, device: DeviceNumber | null, shown: () => string): void {
    const bytes = asBuffer(path)
    const start = bytes.lastIndexOf(slash) + 1
    if (start === 0) this.noteTop(bytes)
    if (device !== null && type === 'character' && isDeviceZero(device)) {
      this.noteLayer(`${shown()}: a character device 0:0 deletes a name in a layer of overlayfs; it stays a device`)
    }
    // Most names end here.
    if (bytes[start] === dot) this.noteHidden(bytes.subarray(start), type, shown)
    else if (start > 1 && bytes.subarray(start - 1).equals(layerTar)) this.tops.add(layer)
  }

  /** Writes the warnings. @param shown  the name of the tree */
  list(shown: string): string[] {
    const isWhole = (names: readonly string[]) => names.every((name) => this.tops.has(name))
    const odd = wholes.filter(([names]) => isWhole(names)).map(([, text]) => `${shown}: ${text}`)
    if (this.firstVirtfs !== null) {
      odd.push(`${this.firstVirtfs}: has owners and modes of QEMU's 9p server: in a directory, --from 9p reads them`)
    }
    return [...odd, ...this.named.list(), ...(this.hasLayers ? [`umlcow does not merge layers: ${layerAdvice}`] : [])]
  }

  private noteTop(name: Buffer): void {
    if (name.length > longestTopName) return
    const text = name.toString('latin1')
    if (topNames.has(text)) this.tops.add(text)
  }

  private noteHidden(name: Buffer, type: EntryType, shown: () => string): void {
    if (startsWith(name, whiteout)) {
      this.noteLayer(`${shown()}: a name with ".wh." deletes a name of a lower layer; it stays a ${type}`)
    } else if (startsWith(name, leftover)) this.named.add(`${shown()}: a run of umlcow that was killed left it`)
    else if (startsWith(name, virtfs)) this.firstVirtfs ??= shown()
  }

  private noteLayer(message: string): void {
    this.hasLayers = true
    this.named.add(message)
  }
}

function startsWith(name: Buffer, start: Buffer): boolean {
  return name.subarray(0, start.length).equals(start)
}
