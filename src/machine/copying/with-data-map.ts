import { alignedBuffer } from '../../bytes/aligned-buffer.js'
import { mayHaveHoles } from '../../engine/choose-copier.js'
import { type DataMap, everythingIsData, knownStretches, probedStretches, probeLength } from '../../engine/data-map.js'
import type { HostFiles, HostPath } from '../host-files.js'
import { openDirect } from '../stores/open-direct.js'
import type { CopySource } from './base-copy.js'

/** A file with holes to find, and its name, to open it again. */
export interface NamedSource extends CopySource {
  readonly path: HostPath
}

/**
 * Call `run` with a map of the data in a file.
 *
 * @param way     `extents`: the host's filefrag lists the data; `read`: reads past the page cache find it
 * @param source  null: not a regular file, and all of it counts as data
 * @returns       false, without a call of `run`, when this way does not work
 */
export async function withDataMap(
  files: HostFiles,
  way: 'extents' | 'read',
  source: NamedSource | null,
  signal: AbortSignal | undefined,
  run: (data: DataMap) => Promise<void>,
): Promise<boolean> {
  if (way === 'extents') {
    const known = source === null ? null : await files.extents(source.store, signal)
    if (known !== null) await run(knownStretches(known))
    return known !== null
  }
  const direct =
    source !== null && mayHaveHoles(source.facts) ? await openDirect(files, source.path, source.store) : null
  try {
    await run(direct === null ? everythingIsData() : probedStretches(direct, alignedBuffer(probeLength)))
    return true
  } finally {
    await direct?.close()
  }
}
