import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { withHoles } from '../../formats/manifest/holes.js'
import type { CopyPace } from '../../machine/copying/pace.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import type { RunningDigest } from '../../machine/workers/stream-digest.js'
import { writeExactNow } from '../../stores/block-store.js'
import type { PackedFile } from './read-pack.js'

/**
 * Check the digest of a file in a pack, and write it.
 *
 * @param digest  one for the length of the file, without any bytes yet
 * @param store   an empty file; null to check only
 * @throws        UmlcowError PACK_DIGEST, and the errors of the stream
 */
export async function copyMember(
  { member, data }: PackedFile,
  digest: RunningDigest,
  store: FileStore | null,
  pace: CopyPace,
  name: string,
): Promise<void> {
  let at = 0
  for await (const part of withHoles(data, member.size)) {
    if (typeof part === 'number') {
      for (const end = at + part; at < end; ) {
        at += await digest.addZeros(end - at)
        await pace.rest(at)
      }
      continue
    }
    await digest.update(part)
    if (store !== null) writeExactNow(store, at, part)
    at += part.length
    await pace.rest(at)
  }
  if ((await digest.hex()) !== member.sha256) {
    throw new UmlcowError(
      'PACK_DIGEST',
      `${name}: ${printablePath(member.name)}: does not have the digest in the manifest`,
    )
  }
  // A hole at the end.
  if (store !== null && store.size < member.size) await store.truncate(member.size)
}
