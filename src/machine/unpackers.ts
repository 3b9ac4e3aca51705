import type { Unpack, Unpackers } from '../images/qcow2/unpackers.js'

type Zlib = typeof import('node:zlib') & {
  /** Node has it from 22.15 on. */
  readonly zstdDecompressSync?: (input: Uint8Array, options: { readonly maxOutputLength: number }) => Buffer
}

/** Load zlib when the first cluster needs it: most images have no compressed clusters. */
const zlib = (): Zlib => process.getBuiltinModule('node:zlib')

const inflate: Unpack = (input, output) =>
  unpackInto(output, () => {
    const { inflateRawSync, constants } = zlib()
    return inflateRawSync(input, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: output.length })
  })

const unpackZstd: Unpack = (input, output) =>
  unpackInto(output, () => zlib().zstdDecompressSync!(input, { maxOutputLength: output.length }))

/** @returns false when the data is damaged: these functions throw for nothing else */
function unpackInto(output: Uint8Array, unpack: () => Buffer): boolean {
  try {
    const unpacked = unpack()
    if (unpacked.length !== output.length) return false
    output.set(unpacked)
    return true
  } catch {
    return false // zlib says why, which helps nobody: the cluster is lost.
  }
}

/** How this host unpacks compressed clusters: zlib by native code, zstd where Node has it. */
export const hostUnpackers: Unpackers = {
  zlib: inflate,
  get zstd() {
    return zlib().zstdDecompressSync === undefined ? null : unpackZstd
  },
}
