// JavaScript, not TypeScript: worker threads load it from the sources too, where Node reads no TypeScript.
// "npm run build" bundles it with the codec, so that an installed umlcow does not need the package lz4.
import codec from 'lz4/lib/binding.js'

/** Entries of the codec's table of places where a sequence of bytes occurred. */
const tableLength = 2 ** 16

/** Bytes that are compared with zeros at a time. */
const stretchLength = 64 * 1024

const zeros = Buffer.alloc(stretchLength)

/** True when `block` holds only zeros. */
function isZeroBlock(block) {
  for (let at = 0; at < block.length; at += stretchLength) {
    const end = Math.min(at + stretchLength, block.length)
    if (zeros.compare(block, at, end, 0, end - at) !== 0) return false
  }
  return true
}

/** Bytes of the table of `compress` in codec.wat, and where it starts. */
const wasmTable = { start: 0, length: 32 * 1024 }

/** Bytes that `compress` may read or write behind a block: it copies 16 at a time. */
const slack = 32

/**
 * Make a function that compresses blocks.
 *
 * @param {object | null} module  the compiled codec.wat; null for the codec in JavaScript of the package lz4
 * @returns       takes a block and memory for the result, and returns the length of the result, or 0 where the block
 *                does not get shorter
 */
export function createBlockCodec(module = null) {
  return (module === null ? null : wasmCodec(module)) ?? packageCodec()
}

/** @returns null where no address space is left for the module */
function wasmCodec(module) {
  try {
    const { memory, compress } = new WebAssembly.Instance(module).exports
    const from = wasmTable.start + wasmTable.length
    let instead = null
    return (block, output) => {
      const end = from + block.length
      const to = end + slack
      const missing = to + block.length + slack - memory.buffer.byteLength
      if (missing > 0 && instead === null && !hasGrown(memory, missing)) instead = packageCodec()
      if (instead !== null) return instead(block, output)
      const bytes = new Uint8Array(memory.buffer)
      bytes.set(block, from)
      const outputEnd = compress(from, end, to, to + block.length - 1, wasmTable.start)
      if (outputEnd === 0) return 0
      output.set(bytes.subarray(to, outputEnd))
      return outputEnd - to
    }
  } catch {
    return null
  }
}

/** @returns false where no address space is left */
function hasGrown(memory, length) {
  try {
    memory.grow(Math.ceil(length / 65_536))
    return true
  } catch {
    return false
  }
}

/**
 * The codec of the package lz4.
 *
 * The package's own `compress` makes a new table for each block, which takes longer than to compress 256 KiB. This
 * calls the function behind it with one table, which it clears. Blocks of zeros are compressed once for each length.
 */
function packageCodec() {
  const table = new Uint32Array(tableLength)
  let zeroLength = -1
  let zeroResult = zeros.subarray(0, 0)

  /** @returns the length of the result, or 0 where the block does not get shorter */
  function compressAnew(block, output) {
    table.fill(0)
    const length = codec.compressDependent(block, output, 0, table, 0, output.length)
    return Number.isInteger(length) && length > 0 && length < block.length ? length : 0
  }

  return (block, output) => {
    if (!isZeroBlock(block)) return compressAnew(block, output)
    if (block.length !== zeroLength) {
      const length = compressAnew(block, output)
      zeroResult = Uint8Array.prototype.slice.call(output, 0, length)
      zeroLength = block.length
    }
    output.set(zeroResult)
    return zeroResult.length
  }
}
