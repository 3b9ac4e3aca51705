import { escapeText, printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { type ImageFormat, isImageFormat, isPlain } from '../images/image-formats.js'
import { type FileFacts, isSameFile } from '../machine/host-files.js'
import { shellQuote } from '../machine/shell-quote.js'
import type { BackingOptions } from './inspect-backing.js'
import type { ProbedFile } from './open.js'
import type { Qcow2Overlay } from './open-overlay.js'
import type { LocatedFile } from './resolve-backing.js'

// In what format a backing file counts, and where a chain of them ends.

/** The largest number of layers in a chain; more of them are a mistake. */
const maxChainLength = 64

/** Choose the format of a COW file's backing file. The kernel takes it as plain data, so only `chain` looks into it. */
export function formatBelowCow(
  { format }: ProbedFile,
  { path, facts }: LocatedFile,
  { chain }: BackingOptions,
  above: readonly FileFacts[],
): ImageFormat {
  if (isPlain(format)) return format
  const name = printablePath(path)
  if (!chain && format !== 'cow') return 'raw'
  if (!chain) {
    throw new UmlcowError(
      'BACKING_IS_COW',
      `${name}: is itself a COW file; the kernel takes such a backing file as plain data`,
      { hint: 'use --chain to read it as the overlay it is' },
    )
  }
  refuseCircle(name, facts, above)
  return format
}

/** @throws UmlcowError CHAIN_TOO_LONG */
export function refuseCircle(name: string, facts: FileFacts, above: readonly FileFacts[]): void {
  if (above.length < maxChainLength && !above.some((one) => isSameFile(one, facts))) return
  throw new UmlcowError('CHAIN_TOO_LONG', `${name}: the chain of backing files is too long or goes in a circle`)
}

/** Choose the format of a qcow2 image's backing file: the recorded one counts, whatever the file begins with. */
export function formatBelowQcow2({ path, facts, below }: Qcow2Overlay, name: string, probed: ImageFormat): ImageFormat {
  const upper = printablePath(path)
  const hint = `"qemu-img rebase -u -F FORMAT -b FILE ${shellQuote(path)}" records another format`
  const refuse = (message: string) => new UmlcowError('BACKING_FORMAT', message, { hint })
  if (below.format === null) {
    // QEMU, which wrote the image, would see the bytes of the COW file.
    if (probed === 'cow') throw refuse(`${upper}: records no format of its backing file, and ${name} is a COW file`)
    return probed
  }
  if (!isImageFormat(below.format)) {
    throw refuse(`${upper}: umlcow does not read its backing file, of the format "${escapeText(below.format)}"`)
  }
  if (below.format === 'raw' || below.format === probed) return below.format
  if (facts === undefined) {
    const message = `${name}: is not a ${below.format} image, and ${upper} would record that`
    throw new UmlcowError('BACKING_FORMAT', message, { hint: `name the format that it has: -F ${probed}` })
  }
  throw refuse(`${name}: is not the ${below.format} image that ${upper} records as its backing file`)
}
