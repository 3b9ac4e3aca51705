import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { withHoles } from '../../formats/manifest/holes.js'
import type { CopyPace } from '../../machine/copying/pace.js'
import { Sha256 } from '../../machine/digests/sha256.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { writeExactNow } from '../../stores/block-store.js'
import type { PackedFile } from './read-pack.js'

/**
 * Check the digest of a file in a pack, and write it.
 *
 * @param store  an empty file; null to check only
 * @throws       UmlcowError PACK_DIGEST, and the errors of the stream
 */
export async function copyMember(
  { member, data }: PackedFile,
  store: FileStore | null,
  pace: CopyPace,
  name: string,
): Promise<void> {
  const digest = new Sha256()
  let at = 0
  for await (const part of withHoles(data, member.size)) {
    if (typeof part === 'number') {
      for (const end = at + part; at < end; ) {
        at += digest.addZeros(end - at)
        await pace.rest(at)
      }
      continue
    }
    digest.update(part)
    if (store !== null) writeExactNow(store, at, part)
    at += part.length
    await pace.rest(at)
  }
  if (digest.hex() !== member.sha256) {
    throw new UmlcowError(
      'PACK_DIGEST',
      `${name}: ${printablePath(member.name)}: does not have the digest in the manifest`,
    )
  }
  // A hole at the end.
  if (store !== null && store.size < member.size) await store.truncate(member.size)
}
