import { latin1Text } from '../../bytes/fast.js'
import { compressionOf } from './compressions.js'

// Formats that are not the guest's bytes as they are, by their first bytes. A message then says what a file is.
// Source of the magic number of qcow2: QEMU docs/interop/qcow2.rst

/** A format that hides the guest's bytes where plain bytes are expected. */
export interface ForeignFormat {
  /** What a file is, after "is": `compressed with gzip`. */
  readonly description: string
  /** What the user can do. */
  readonly hint: string
}

const qcow2Magic = 'QFI\xfb'

const qcow2: ForeignFormat = {
  description: 'a qcow2 image',
  hint: '"umlcow convert -O cow -B BACKING IMAGE NEW" makes a COW file of it, "umlcow merge IMAGE NEW" a raw image',
}

/** Find the foreign format that begins with these bytes; null when none does. */
export function foreignFormatOf(head: Uint8Array): ForeignFormat | null {
  if (latin1Text(head, 0, Math.min(head.length, qcow2Magic.length)) === qcow2Magic) return qcow2
  const compression = compressionOf(head)
  if (compression === null) return null
  const { name, unpack } = compression
  return { description: `compressed with ${name}`, hint: `unpack it first: "${unpack} FILE > NEW" does that` }
}
