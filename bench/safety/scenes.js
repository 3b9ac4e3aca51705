// The pairs that the rows of the table start from.
import { readFileSync } from 'node:fs'
import { applied } from './overlays.js'
import { run } from './processes.js'

export const ownChanges = [
  { start: 8, count: 24, text: 'node0' },
  { start: 200, count: 5, text: 'node0' },
  { start: 800, count: 64, text: 'node0' },
]
export const siblingChanges = [
  { start: 0, count: 16, text: 'node1' },
  { start: 1600, count: 8, text: 'node1' },
]

/** A backing file of 1 MiB and an overlay on it; with a sibling when that is asked for. */
export async function makePair(tool, place, { size = 2 ** 20, changes = ownChanges, sibling = false } = {}) {
  const old = place.writeBacking(size)
  return addOverlays(tool, place, old, { changes, sibling })
}

/** The overlays of a pair, on the backing file as it is. */
export async function addOverlays(tool, place, old, { changes = ownChanges, sibling = false } = {}) {
  const cow = tool.overlay('cow')
  await tool.write(place, cow, changes)
  const pair = { cow, old, merged: applied(old, changes), sibling: null, siblingBytes: null }
  if (!sibling) return pair
  const name = tool.overlay('sibling')
  await tool.write(place, name, siblingChanges)
  return { ...pair, sibling: name, siblingBytes: applied(old, siblingChanges) }
}

/** Run a tool in the place and look before and after. */
export async function runLooking(place, command) {
  const before = place.look()
  const outcome = await run(command, { cwd: place.directory })
  return { outcome, before, after: place.look() }
}

export function bytesOf(file) {
  return readFileSync(file)
}
