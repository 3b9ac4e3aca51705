import { inflateInto } from '../../formats/deflate/inflate.js'
import type { Qcow2Compression } from '../../formats/qcow2/index.js'

/**
 * Fills `output` from compressed bytes, and ignores what follows them. False when they are damaged or make too little.
 * It makes no more than the output holds.
 */
export type Unpack = (input: Uint8Array, output: Uint8Array) => boolean

/** How to unpack clusters; null for a compression that this platform lacks. */
export type Unpackers = Readonly<Record<Qcow2Compression, Unpack | null>>

/** What every platform has. The host of Node has faster ones. */
export const plainUnpackers: Unpackers = { zlib: inflateInto, zstd: null }
