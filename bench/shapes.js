// Where the bytes of a layer lie: runs in order, the same ones in every run of the benchmark.

const kib = 1024
export const mib = 1024 * kib
export const gib = 1024 * mib
export const sectorSize = 512
/** What umlcow decides by at a time, and so what W6 counts its runs in. */
const windowSize = 256 * kib

/**
 * @typedef {{ start: number, end: number }} Run  bytes of the guest's disk, half-open
 * @typedef {(limit: number) => number} Random
 */

/** Distinct pieces of one length at random places, in order. Memory goes with their number, not with the size. */
export function* scattered(size, pieceLength, total, random) {
  const places = Math.floor(size / pieceLength)
  const wanted = Math.max(1, Math.min(places, Math.round(total / pieceLength)))
  const taken = new Set()
  while (taken.size < wanted) taken.add(random(places))
  for (const place of Float64Array.from(taken).sort()) {
    yield { start: place * pieceLength, end: (place + 1) * pieceLength }
  }
}

/** A quarter of the image, at places that are no multiple of anything but a sector. */
export function* longRuns(size, runLength, random) {
  for (let slot = 0; slot + 4 * runLength <= size; slot += 4 * runLength) {
    const start = slot + random((3 * runLength) / sectorSize) * sectorSize
    yield { start, end: start + runLength }
  }
}

export function* everySecondSector(size) {
  for (let start = 0; start < size; start += 2 * sectorSize) yield { start, end: start + sectorSize }
}

export function* all(size) {
  yield { start: 0, end: size }
}

/** So many runs in each window, as far from each other as they can be. */
export function* runsPerWindow(size, count, runLength) {
  for (let window = 0; window + windowSize <= size; window += windowSize) {
    for (let i = 0; i < count; i++) {
      const start = window + Math.floor((i * windowSize) / count / runLength) * runLength
      yield { start, end: start + runLength }
    }
  }
}

/** Numbers below a limit, the same for the same name. @see Marsaglia, Xorshift RNGs, 2003 */
export function randomNumbers(name) {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 2463534242) | 0 || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}
