/** Guest bytes of one state, half-open. The keys and their meaning are those of `qemu-img map`. */
export interface Extent {
  readonly start: number
  readonly length: number
  /** 0: the image itself, 1: its backing file, and so on. */
  readonly depth: number
  /** Some layer stores these bytes. */
  readonly data: boolean
  /** These bytes are known to read as zeros. */
  readonly zero: boolean
  /**
   * Where the bytes are in the file of that layer; absent when no layer stores them, or only compressed. Zeros have an
   * offset where the file has room for them.
   */
  readonly offset?: number
  /** False: no layer says anything about these bytes, so they read as zeros. Absent: some layer does. */
  readonly present?: false
}

/** True when `next` starts where `extent` ends, in the guest and in the file, and has the same state. */
function continues(extent: Extent, next: Extent): boolean {
  const expectedOffset = extent.offset === undefined ? undefined : extent.offset + extent.length
  return (
    extent.start + extent.length === next.start &&
    extent.depth === next.depth &&
    extent.data === next.data &&
    extent.zero === next.zero &&
    extent.present === next.present &&
    expectedOffset === next.offset
  )
}

/** Join neighbouring extents of one state. */
export async function* joinExtents(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
  let held: Extent | undefined
  for await (const extent of extents) {
    if (held !== undefined && continues(held, extent)) {
      held = { ...held, length: held.length + extent.length }
    } else {
      if (held !== undefined) yield held
      held = extent
    }
  }
  if (held !== undefined) yield held
}
