const slash = 0x2f

/**
 * Finds names that only a rename makes the same: an entry `metadata`, renamed to `metadata.d`, and another entry
 * `metadata.d`. They must not become one.
 */
export class RenamedNames {
  private readonly names = new Set<string>()

  /**
   * Record a path and the directories above it.
   *
   * @param isTaken  whether an earlier entry has a path, or lies below it
   * @returns        the name that two entries would share; null for none
   */
  clash(original: Buffer, renamed: Buffer, isTaken: (path: Buffer) => boolean): Buffer | null {
    if (this.names.size === 0 && original.equals(renamed)) return null
    let [from, start] = [0, 0]
    while (start < renamed.length) {
      const [fromEnd, end] = [endOf(original, from), endOf(renamed, start)]
      const isRenamed = !original.subarray(from, fromEnd).equals(renamed.subarray(start, end))
      const name = renamed.subarray(0, end)
      const key = name.toString('latin1')
      const isKnown = this.names.has(key)
      if (isRenamed ? !isKnown && isTaken(name) : isKnown) return name
      if (isRenamed) this.names.add(key)
      from = fromEnd + 1
      start = end + 1
    }
    return null
  }

  clear(): void {
    this.names.clear()
  }
}

function endOf(path: Buffer, start: number): number {
  const found = path.indexOf(slash, start)
  return found < 0 ? path.length : found
}
