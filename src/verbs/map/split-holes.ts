import type { Extent } from '../../bytes/extents.js'
import type { Stretches } from '../../bytes/stretch-list.js'
import { isPlain } from '../../images/image-formats.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { ProbedFile } from '../../overlays/open.js'

/** Split extents of raw files at their holes. A file whose holes the host cannot list counts as data. */
export async function splitHoles(
  files: HostFiles,
  layers: readonly ProbedFile[],
  extents: AsyncIterable<Extent>,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Extent>> {
  const stored: (Stretches | null)[] = []
  for (const { format, facts, store } of layers) {
    stored.push(isPlain(format) && facts.kind === 'file' ? await files.extents(store, signal, 0) : null)
  }
  return splitAll(stored, extents)
}

/** @param stored  what each layer stores; null: unknown */
async function* splitAll(
  stored: readonly (Stretches | null)[],
  extents: AsyncIterable<Extent>,
): AsyncGenerator<Extent> {
  // The offsets in a raw file ascend with the guest's.
  const next = stored.map(() => 0)
  for await (const extent of extents) {
    const { depth, start, length, offset, data, zero } = extent
    const stretches = stored[depth] ?? null
    if (stretches === null || offset === undefined || !data || zero) {
      yield extent
      continue
    }
    while ((stretches[next[depth]! + 1] ?? Number.POSITIVE_INFINITY) <= offset) next[depth]! += 2
    for (let at = offset, i = next[depth]!; at < offset + length; ) {
      const from = stretches[i] ?? Number.POSITIVE_INFINITY
      const isHole = at < from
      const end = Math.min(offset + length, isHole ? from : stretches[i + 1]!)
      yield { ...extent, start: start + at - offset, length: end - at, offset: at, data: !isHole, zero: isHole }
      if (!isHole) i += 2
      at = end
    }
  }
}
