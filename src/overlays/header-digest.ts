import { createHash } from 'node:crypto'
import { type CowHeader, editHeader } from '../formats/cow/index.js'

/** Compute the digest of a header without its mtime, which a merge changes. */
export function headerDigest(header: CowHeader): string {
  return createHash('sha256')
    .update(editHeader(header, { mtime: 0 }))
    .digest('hex')
}
