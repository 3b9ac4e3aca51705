import { UmlcowError } from '../errors.js'
import { parseHumfsSize } from '../formats/humfs/superblock.js'

/** The size of a humfs tree, as the Perl tool takes it, also with T. @throws UmlcowError USAGE */
export function humfsSize(text: string): number {
  const size = parseHumfsSize(text)
  if (size !== null) return size
  throw new UmlcowError(
    'USAGE',
    `"${text}" is not a size of a humfs tree: give bytes, or a whole number with K, M, G or T, from 1 to less than 8192T`,
  )
}
