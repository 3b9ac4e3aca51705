/** Lines `start` to `end` of a text, half-open, and those of the other that stand in their place. */
export interface LineChange {
  readonly oldStart: number
  readonly oldEnd: number
  readonly newStart: number
  readonly newEnd: number
}

/** The most lines removed and added that are searched for the shortest way. The trace of the search takes their square. */
const maxSteps = 1000

/**
 * Find a short list of changes that turn one list of lines into another: the shortest, unless they differ in very many
 * lines. Then all between the first and the last difference is one change.
 *
 * @see Eugene W. Myers, An O(ND) Difference Algorithm and Its Variations, 1986
 */
export function diffLines(old: readonly string[], now: readonly string[]): LineChange[] {
  let from = 0
  while (from < old.length && from < now.length && old[from] === now[from]) from++
  let [oldEnd, newEnd] = [old.length, now.length]
  while (oldEnd > from && newEnd > from && old[oldEnd - 1] === now[newEnd - 1]) {
    oldEnd--
    newEnd--
  }
  if (from === oldEnd && from === newEnd) return []
  const trace = search(old.slice(from, oldEnd), now.slice(from, newEnd))
  if (trace === null) return [{ oldStart: from, oldEnd, newStart: from, newEnd }]
  return joinSteps(trace, oldEnd - from, newEnd - from).map((change) => ({
    oldStart: change.oldStart + from,
    oldEnd: change.oldEnd + from,
    newStart: change.newStart + from,
    newEnd: change.newEnd + from,
  }))
}

/**
 * Search for the shortest way. Diagonal k has the places with x - y = k.
 *
 * @returns  for each number of steps the farthest x on the diagonals -steps - 1 to steps + 1; null when it is too long
 */
function search(old: readonly string[], now: readonly string[]): Int32Array[] | null {
  const trace: Int32Array[] = []
  let last = new Int32Array(3)
  for (let steps = 0; steps <= Math.min(maxSteps, old.length + now.length); steps++) {
    // Index of diagonal k: k + steps + 1.
    const farthest = new Int32Array(2 * steps + 3).fill(-1)
    for (let k = -steps; k <= steps; k += 2) {
      let x = steps === 0 ? 0 : startOn(last, steps - 1, k)
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x++
      farthest[k + steps + 1] = x
      if (x >= old.length && x - k >= now.length) return [...trace, farthest]
    }
    trace.push(farthest)
    last = farthest
  }
  return null
}

/** Where diagonal k starts after one more step: a line added comes from diagonal k + 1, one removed from k - 1. */
function startOn(last: Int32Array, steps: number, k: number): number {
  const added = last[k + 1 + steps + 1] ?? -1
  const removed = last[k - 1 + steps + 1] ?? -1
  return added > removed ? added : removed + 1
}

/** Walk the way back, and join steps that touch. */
function joinSteps(trace: readonly Int32Array[], oldLength: number, newLength: number): LineChange[] {
  const changes: LineChange[] = []
  let [x, y] = [oldLength, newLength]
  for (let steps = trace.length - 1; steps > 0; steps--) {
    const k = x - y
    const last = trace[steps - 1]!
    const start = startOn(last, steps - 1, k)
    const isAdded = (last[k + 1 + steps] ?? -1) === start
    const [oldStart, newStart] = isAdded ? [start, start - k - 1] : [start - 1, start - k]
    const [oldEnd, newEnd] = [start, start - k]
    const next = changes[changes.length - 1]
    if (next !== undefined && next.oldStart === oldEnd && next.newStart === newEnd) {
      changes[changes.length - 1] = { ...next, oldStart, newStart }
    } else changes.push({ oldStart, oldEnd, newStart, newEnd })
    ;[x, y] = [oldStart, newStart]
  }
  return changes.reverse()
}
