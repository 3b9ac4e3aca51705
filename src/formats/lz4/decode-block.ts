// A block is a series of sequences: a token (high half: length of literals, low half: length of the match less 4), more
// bytes of the first length where it is 15 (each 255 goes on), the literals, a little-endian u16 distance of the match,
// and more bytes of its length. The last sequence ends after its literals.

/** The shortest match, bytes. */
const shortestMatch = 4

/** Copies up to this length are faster byte by byte than by `copyWithin`. */
const shortCopy = 24

/** Where a block lies in memory, and where its data goes. */
export interface BlockPlaces {
  /** The block: bytes `inputStart` to `inputEnd`. */
  readonly inputStart: number
  readonly inputEnd: number
  /** The output goes to `outputStart`, and never beyond `outputEnd`. */
  readonly outputStart: number
  readonly outputEnd: number
  /** Matches reach back to here: `outputStart`, or before it with history. */
  readonly historyStart: number
}

/**
 * Unpack a block. Block, history and output share one memory, so that literals need no view of their own; the block
 * comes after the output.
 *
 * @returns  the end of the output, or -1 for a damaged block; bytes before `outputEnd` may have changed then
 */
export function decodeLz4Block(memory: Uint8Array, places: BlockPlaces): number {
  const { inputEnd, outputEnd, historyStart } = places
  let at = places.inputStart
  let to = places.outputStart
  while (at < inputEnd) {
    const token = memory[at++]!
    let length = token >>> 4
    if (length === 15) {
      let more = 255
      while (more === 255 && at < inputEnd) {
        more = memory[at++]!
        length += more
      }
      if (more === 255) return -1
    }
    if (length > inputEnd - at || length > outputEnd - to) return -1
    if (length <= shortCopy) for (const end = to + length; to < end; ) memory[to++] = memory[at++]!
    else {
      memory.copyWithin(to, at, at + length)
      to += length
      at += length
    }
    if (at === inputEnd) return to

    if (inputEnd - at < 2) return -1
    const distance = memory[at]! | (memory[at + 1]! << 8)
    at += 2
    if (distance === 0 || distance > to - historyStart) return -1
    length = token & 15
    if (length === 15) {
      let more = 255
      while (more === 255 && at < inputEnd) {
        more = memory[at++]!
        length += more
      }
      if (more === 255) return -1
    }
    length += shortestMatch
    if (length > outputEnd - to) return -1
    if (length <= shortCopy) for (const end = to + length; to < end; to++) memory[to] = memory[to - distance]!
    else {
      repeat(memory, to, distance, length)
      to += length
    }
  }
  return -1
}

/** Copy a match. Where it overlaps its own output, the bytes repeat with the period `distance`. */
function repeat(memory: Uint8Array, to: number, distance: number, length: number): void {
  const from = to - distance
  const end = to + length
  if (distance === 1) {
    memory.fill(memory[from]!, to, end)
    return
  }
  // Each round doubles what the next one can copy without overlap.
  let done = 0
  while (done < length) {
    const part = Math.min(distance + done, length - done)
    memory.copyWithin(to + done, from, from + part)
    done += part
  }
}
