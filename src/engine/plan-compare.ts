import { compareBytes } from '../bytes/fast.js'
import { type ComparedBytes, InPlaceWindow } from './in-place-window.js'
import type { Layers } from './merge-layers.js'
import { walkRuns } from './run-batch.js'
import { placeRuns } from './runs-into-windows.js'
import type { Transfers } from './step.js'
import { defaultWindowSize } from './window-size.js'

/** Plan to read every allocated run from both sides, a window at a time. `visit` may return false to stop. */
export function* planCompareRuns(layers: Layers, visit: (compared: ComparedBytes) => boolean | undefined): Transfers {
  const { sectorSize, virtualSize } = layers.overlay.header
  // No sector may lie in two windows, because callers count sectors.
  const window = new InPlaceWindow(Math.max(defaultWindowSize, sectorSize), layers.overlay.store)
  let goesOn = true
  function* look(): Transfers {
    yield* window.readsBoth(layers)
    goesOn = window.forEachRun(visit)
  }
  for (const item of walkRuns(layers.overlay)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (const step of placeRuns(window, item, virtualSize, look)) {
      if (!goesOn) return
      yield step
    }
    if (!goesOn) return
  }
  yield* look()
}

/** True when both sides have the same bytes from `from` to `to`. */
export function isSame(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  return compareBytes(a, from, to, b, from, to) === 0
}

/** Count the sectors that are equal on both sides. A run that is equal as a whole takes one comparison. */
export function countSame({ overlay, backing, from, to }: ComparedBytes, sectorSize: number): number {
  if (isSame(overlay, backing, from, to)) return Math.ceil((to - from) / sectorSize)
  let count = 0
  for (let at = from; at < to; at += sectorSize) {
    if (isSame(overlay, backing, at, Math.min(to, at + sectorSize))) count++
  }
  return count
}
