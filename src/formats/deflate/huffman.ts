/**
 * A table of a prefix code of RFC 1951: the index is the next bits of the input, the first one lowest. An entry is the
 * symbol times 16, plus the length of its code; 0 where no code begins with these bits.
 */
export interface PrefixCode {
  readonly table: Uint16Array
  /** Bits of an index: the length of the longest code. */
  readonly bits: number
}

/**
 * Make the table of a code from the lengths of its symbols.
 *
 * @returns null when more codes are claimed than there can be. A code that leaves some out is allowed, as for a block
 *          with one distance: its table has zeros
 * @see     RFC 1951, section 3.2.2
 */
export function prefixCode(lengths: Uint8Array): PrefixCode | null {
  const counts = new Uint16Array(16)
  let bits = 1
  for (const length of lengths) {
    counts[length]!++
    if (length > bits) bits = length
  }
  const next = new Uint16Array(17)
  let room = 1
  for (let length = 1; length <= 15; length++) {
    room = room * 2 - counts[length]!
    if (room < 0) return null
    next[length + 1] = (next[length]! + counts[length]!) * 2
  }
  const table = new Uint16Array(2 ** bits)
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue
    const first = reversed(next[length]!++, length)
    for (let index = first; index < table.length; index += 2 ** length) table[index] = symbol * 16 + length
  }
  return { table, bits }
}

/** Codes come with their first bit highest, and all other numbers with their first bit lowest. */
function reversed(code: number, length: number): number {
  let result = 0
  for (let i = 0; i < length; i++) result = result * 2 + ((code >>> i) & 1)
  return result
}
