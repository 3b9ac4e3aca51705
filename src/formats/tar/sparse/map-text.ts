import { ceilTo } from '../../../bytes/align.js'
import { latin1Bytes } from '../../../bytes/fast.js'
import type { Stretches } from '../../../bytes/stretch-list.js'
import { blockSize } from '../layout.js'

/** Characters of a map that are made at a time. */
const pieceLength = 32 * 1024

/** List the numbers of a map of version 1.0. A hole at the end is an empty stretch there, as in GNU tar's maps. */
function* numbersOf(stretches: Stretches, size: number): Generator<number> {
  const hasHoleAtEnd = (stretches.at(-1) ?? 0) < size
  yield stretches.length / 2 + (hasHoleAtEnd ? 1 : 0)
  for (let i = 0; i < stretches.length; i += 2) {
    yield stretches[i]!
    yield stretches[i + 1]! - stretches[i]!
  }
  if (hasHoleAtEnd) yield* [size, 0]
}

/** Compute the length of a map, with the NULs that fill its last block. @param size  bytes of the file with its holes */
export function mapTextLength(stretches: Stretches, size: number): number {
  let length = 0
  for (const number of numbersOf(stretches, size)) length += String(number).length + 1
  return ceilTo(length, blockSize)
}

/** Write a map in pieces, without the NULs that fill its last block. */
export function* mapText(stretches: Stretches, size: number): Generator<Uint8Array> {
  let text = ''
  for (const number of numbersOf(stretches, size)) {
    text += `${number}\n`
    if (text.length < pieceLength) continue
    yield latin1Bytes(text)
    text = ''
  }
  yield latin1Bytes(text)
}
