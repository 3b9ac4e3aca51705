// Patterns as find -name has them: `*`, `?` and `[...]`, on bytes. A backslash takes the next byte as it is.
const star = 0x2a
const question = 0x3f
const bracket = 0x5b
const closing = 0x5d
const backslash = 0x5c
const dash = 0x2d
const negations: readonly number[] = [0x21, 0x5e]

/**
 * Match a whole name with a pattern.
 *
 * The time is at most the product of the two lengths: after a mismatch, only the last `*` takes one byte more.
 */
export function matchesGlob(pattern: Uint8Array, name: Uint8Array): boolean {
  let [at, i] = [0, 0]
  /** Where to go on after a mismatch: behind the last star, with one more byte for it. */
  let [starAt, starName] = [-1, 0]
  while (i < name.length) {
    if (pattern[at] === star) {
      ;[starAt, starName] = [++at, i]
      continue
    }
    const next = at < pattern.length ? matchOne(pattern, at, name[i]!) : -1
    if (next >= 0) {
      at = next
      i++
    } else if (starAt >= 0) {
      at = starAt
      i = ++starName
    } else return false
  }
  while (pattern[at] === star) at++
  return at === pattern.length
}

/** Match one byte. @returns  where the pattern goes on; -1: it does not match */
function matchOne(pattern: Uint8Array, at: number, byte: number): number {
  const first = pattern[at]!
  if (first === question) return at + 1
  if (first === bracket) {
    const set = matchSet(pattern, at, byte)
    if (set !== null) return set
  }
  const isEscaped = first === backslash && at + 1 < pattern.length
  return pattern[isEscaped ? at + 1 : at] === byte ? at + (isEscaped ? 2 : 1) : -1
}

/** Match a set. @returns  as `matchOne`; null when it has no end, so that `[` is a plain byte */
function matchSet(pattern: Uint8Array, start: number, byte: number): number | null {
  let at = start + 1
  const isNegated = negations.includes(pattern[at] ?? -1)
  if (isNegated) at++
  const first = at
  let isIn = false
  while (at < pattern.length) {
    if (pattern[at] === closing && at > first) return isIn === isNegated ? -1 : at + 1
    if (pattern[at] === backslash && at + 1 < pattern.length) at++
    const low = pattern[at]!
    let high = low
    if (pattern[at + 1] === dash && at + 2 < pattern.length && pattern[at + 2] !== closing) {
      high = pattern[at + 2]!
      at += 2
    }
    if (byte >= low && byte <= high) isIn = true
    at++
  }
  return null
}
