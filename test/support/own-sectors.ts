import { map } from '../../src/verbs/map/index.js'

/** List the sectors of 512 bytes that an overlay supplies itself. */
export async function ownSectors(overlay: string): Promise<number[]> {
  const opened = await map(overlay)
  try {
    const sectors: number[] = []
    for await (const { start, length, depth } of opened.extents) {
      for (let at = start; depth === 0 && at < start + length; at += 512) sectors.push(at / 512)
    }
    return sectors
  } finally {
    await opened.close()
  }
}
