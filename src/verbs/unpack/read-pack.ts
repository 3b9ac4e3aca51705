import { printablePath } from '../../bytes/escape.js'
import { concatBytes, copyOf, equalBytes, utf8Bytes } from '../../bytes/fast.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import type { ManifestItem, SparseBytes } from '../../formats/manifest/entry.js'
import { maxManifestLength, type PackMember, parsePackManifest } from '../../formats/pack/manifest.js'
import { packManifestName } from '../../formats/pack/manifest-fields.js'
import { readTar } from '../../formats/tar/index.js'
import { decompressStream } from '../../machine/streams/compression/decompress-stream.js'
import { localTreeReader } from '../../trees/host/tree-reader.js'
import type { PackSource, ReadPackOptions } from './options.js'
import { recognisedPack } from './recognise-pack.js'

const defaultMaxSize = 2 ** 40
const manifestBytes = utf8Bytes(packManifestName)

/** A file of a pack. Read its data before the next file. */
export interface PackedFile {
  readonly member: PackMember
  readonly data: SparseBytes
}

/** A pack whose manifest is read. */
export interface OpenPack {
  readonly name: string
  readonly members: readonly PackMember[]
  /** Read all files, in the order of `members`. It ends well only at the right end of the stream. */
  files(): AsyncGenerator<PackedFile>
  /** Stop reading. */
  close(): Promise<void>
}

/**
 * Read the manifest of a pack.
 *
 * @throws UmlcowError NOT_PACK, NOT_ARCHIVE, BAD_PACK, PACK_VERSION, PACK_TOO_LARGE, UNSAFE_PATH, and the errors of the
 *         tar reader and of the decompression
 */
export async function openPack(source: PackSource, options: ReadPackOptions): Promise<OpenPack> {
  const isPath = typeof source === 'string'
  const name = isPath ? printablePath(source) : source.name
  const bytes = isPath ? localTreeReader.streamInput(source).read() : source.bytes
  const notes: string[] = []
  const stream = decompressStream(bytes, { name, reuseMemory: true, signal: options.signal })
  const items = readTar(recognisedPack(stream, name), { name, onWarning: (note) => notes.push(note) })
  try {
    const members = parsePackManifest(await manifestOf(items, name), name)
    refuseLarge(members, name, options.maxSize ?? defaultMaxSize)
    return {
      name,
      members,
      files: () => filesOf(items, members, name, notes),
      close: async () => {
        await items.return(undefined)
      },
    }
  } catch (error) {
    await items.return(undefined)
    throw error
  }
}

async function manifestOf(items: AsyncGenerator<ManifestItem>, name: string): Promise<Uint8Array> {
  const first = await items.next()
  if (first.done || !equalBytes(first.value.entry.path, manifestBytes) || first.value.content === null) {
    throw new UmlcowError('NOT_PACK', `${name}: is not a pack: its first member is not ${packManifestName}`, {
      hint: 'unpack any other archive with "tar -xS"',
    })
  }
  const { entry, content } = first.value
  if (entry.size > maxManifestLength || content.sparse !== undefined) {
    throw new UmlcowError('BAD_PACK', `${name}: its manifest is too long, or has holes`)
  }
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(copyOf(part))
  return concatBytes(parts)
}

function refuseLarge(members: readonly PackMember[], name: string, maxSize: number): void {
  const total = members.reduce((sum, { size }) => sum + size, 0)
  if (total <= maxSize) return
  const message = `${name}: its files have ${formatSize(total)}, more than the limit of ${formatSize(maxSize)}`
  throw new UmlcowError('PACK_TOO_LARGE', message, {
    details: { size: total, limit: maxSize },
    hint: `if you trust the pack, add --max-size ${total}`,
  })
}

async function* filesOf(
  items: AsyncGenerator<ManifestItem>,
  members: readonly PackMember[],
  name: string,
  notes: readonly string[],
): AsyncGenerator<PackedFile> {
  for (const member of members) {
    const next = await items.next()
    const data = next.done ? null : dataOf(next.value, member)
    if (data === null) {
      const shown = printablePath(member.name)
      throw new UmlcowError('BAD_PACK', `${name}: ${shown}: is missing, or is not the file that the manifest describes`)
    }
    yield { member, data }
  }
  if (!(await items.next()).done) throw new UmlcowError('BAD_PACK', `${name}: has more files than its manifest says`)
  // The end mark is missing, or something follows it, or a member has more than a pack stores.
  if (notes[0] !== undefined) throw new UmlcowError('BAD_PACK', notes[0])
}

/** Get the data of the item that must be this member; null when it is not. */
function dataOf({ entry, content }: ManifestItem, { name, size, storedSize }: PackMember): SparseBytes | null {
  if (content === null || !equalBytes(entry.path, name) || entry.size !== size) return null
  const data = content.sparse ?? { stretches: Float64Array.from(size === 0 ? [] : [0, size]), data: content }
  let stored = 0
  for (let i = 0; i < data.stretches.length; i += 2) stored += data.stretches[i + 1]! - data.stretches[i]!
  return stored === storedSize ? data : null
}
