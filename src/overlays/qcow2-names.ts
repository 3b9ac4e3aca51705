import { UmlcowError } from '../errors.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { type LocatedFile, resolveBackingPath } from './resolve-backing.js'

// The name of a backing file in a qcow2 image need not be a path: QEMU takes "file:PATH", "json:{...}" and others.
// Source: the manual page qemu-block-drivers(7), and blockdev-add in the QMP reference.

const colon = 0x3a
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Test whether QEMU takes what stands before a colon in the first part of a path for the name of a protocol. */
export function hasProtocol(name: Uint8Array): boolean {
  const at = name.indexOf(colon)
  return at >= 0 && !name.subarray(0, at).includes(0x2f)
}

/**
 * List the paths that may be meant by a name of a backing file: for guards, so one too many does no harm.
 *
 * @throws UmlcowError BACKING_FORMAT for text after `json:` that is none
 */
export function pathsInName(name: Uint8Array): Uint8Array[] {
  if (!hasProtocol(name)) return [name]
  const first = name.subarray(name.indexOf(colon) + 1)
  if (startsWith(name, 'json:')) return fileNamesIn(first)
  return [name, first, name.subarray(name.lastIndexOf(colon) + 1)].filter(isPath)
}

/** The host takes no path without bytes, or with a zero byte. */
function isPath(name: Uint8Array): boolean {
  return name.length > 0 && !name.includes(0)
}

function startsWith(name: Uint8Array, start: string): boolean {
  return Buffer.from(name.subarray(0, start.length)).equals(Buffer.from(start))
}

/** Find the values of `filename`, and of `file.filename`, at any depth. */
function fileNamesIn(text: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  const waiting: unknown[] = [parsed(text)]
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null) continue
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner !== 'string') waiting.push(inner)
      else if (key === 'filename' || key.endsWith('.filename')) {
        const name = Buffer.from(inner)
        // A name in the text may have a protocol, but no other text.
        found.push(...(startsWith(name, 'json:') ? [name] : pathsInName(name)).filter(isPath))
      }
    }
  }
  return found
}

function parsed(text: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(text))
  } catch (cause) {
    throw new UmlcowError('BACKING_FORMAT', 'the name of its backing file begins with "json:", and no JSON follows', {
      cause,
    })
  }
}

/**
 * Find every file that the name of a backing file in a qcow2 image may lead to. QEMU takes a relative path from the
 * directory of the image, but after a protocol from the directory in which it runs.
 *
 * @param images  the names of the image
 * @throws        UmlcowError BACKING_FORMAT, and what the host throws
 */
export async function filesOfName(
  files: HostFiles,
  images: readonly HostPath[],
  name: Uint8Array,
): Promise<LocatedFile[]> {
  const found: LocatedFile[] = []
  const ways = hasProtocol(name) ? (['besideOverlay', 'currentDirectory'] as const) : (['besideOverlay'] as const)
  for (const path of pathsInName(name)) {
    for (const image of images) {
      for (const relativeTo of ways) {
        const one = await resolveBackingPath(files, image, path, { relativeTo })
        if (one !== null && !isAmong(found, one.facts)) found.push(one)
      }
    }
  }
  return found
}

export function isAmong(found: readonly LocatedFile[], file: FileFacts): boolean {
  return found.some(({ facts }) => isSameFile(facts, file))
}
