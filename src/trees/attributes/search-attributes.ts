import type { AttributeSearch } from '../../machine/programs/getfattr.js'
import type { OnAttributes } from '../../machine/programs/getfattr-output.js'
import type { TreeReader } from '../host/tree-reader.js'

/** A search for extended attributes, and what to do meanwhile. */
export interface SearchOptions<T> {
  /** Called for each file that has some, in any order. */
  readonly onFile: OnAttributes
  readonly signal: AbortSignal | undefined
  readonly meanwhile: () => Promise<T>
}

/**
 * Search a tree for extended attributes. The host's program does that at the same time as `meanwhile` runs.
 *
 * @returns the result of `meanwhile`, and a warning where the search was not complete
 * @throws  what `meanwhile` throws; it ends the search
 */
export async function searchAttributes<T>(
  reader: TreeReader,
  directory: Buffer,
  { onFile, signal, meanwhile }: SearchOptions<T>,
): Promise<{ readonly result: T; readonly warnings: readonly string[] }> {
  const stop = new AbortController()
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const search = reader.findAttributes(directory, onFile, either)
  try {
    const [end, result] = await Promise.all([search, meanwhile()])
    return { result, warnings: warningsOf(end) }
  } catch (error) {
    stop.abort()
    // It ends with INTERRUPTED. The caller gets the first error.
    await search.catch(() => {})
    throw error
  }
}

function warningsOf(end: AttributeSearch): string[] {
  const what = 'extended attributes, such as capabilities and ACLs'
  if (end === 'complete') return []
  if (end === 'missing') {
    return [`not looked for: ${what}, which would be lost; install the program getfattr (Debian: package attr)`]
  }
  return [`not looked at everywhere: ${what}, which would be lost: ${end.incomplete}`]
}
