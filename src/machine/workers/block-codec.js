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

/**
 * Make a function that compresses blocks: the codec in JavaScript of the package lz4.
 *
 * The package's own `compress` makes a new table for each block, which takes longer than to compress 256 KiB. This
 * calls the function behind it with one table, which it clears. Blocks of zeros are compressed once for each length.
 */
export function createBlockCodec() {
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
