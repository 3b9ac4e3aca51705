// Formats that umlcow does not read, by their first bytes. A message then says what a file is.
// Sources: RFC 1952 (gzip), RFC 8878 (zstd), the XZ file format, the bzip2 and LZ4 frame formats, docs/interop/qcow2.rst.

/** A format that umlcow recognises and does not read. */
export interface ForeignFormat {
  /** What a file is, after "is": `compressed with gzip`. */
  readonly description: string
  /** What the user can do. */
  readonly hint: string
  readonly firstBytes: readonly number[]
}

function compressed(name: string, program: string, firstBytes: readonly number[]): ForeignFormat {
  return { description: `compressed with ${name}`, hint: `unpack it first: ${program} does that`, firstBytes }
}

const foreignFormats: readonly ForeignFormat[] = [
  compressed('gzip', 'gunzip', [0x1f, 0x8b]),
  compressed('xz', 'unxz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
  compressed('zstd', 'unzstd', [0x28, 0xb5, 0x2f, 0xfd]),
  compressed('bzip2', 'bunzip2', [0x42, 0x5a, 0x68]),
  compressed('lz4', 'unlz4', [0x04, 0x22, 0x4d, 0x18]),
  {
    description: 'a qcow2 image',
    hint: '"qemu-img convert -O raw" makes a raw image of it; umlcow does not read qcow2',
    firstBytes: [0x51, 0x46, 0x49, 0xfb],
  },
]

/** Find the foreign format that begins with these bytes; undefined when none does. */
export function foreignFormatOf(head: Uint8Array): ForeignFormat | undefined {
  return foreignFormats.find(({ firstBytes }) => firstBytes.every((byte, i) => head[i] === byte))
}
