import { UmlcowError } from '../errors.js'
import { parseHumfsSize } from '../formats/humfs/superblock.js'

/** The size of a humfs tree, as the Perl tool takes it and with T. @throws UmlcowError USAGE */
export function humfsSize(text: string): number {
  const size = parseHumfsSize(text)
  if (size !== null) return size
  throw new UmlcowError('USAGE', `bad size "${text}": a number of bytes, or one with K, M, G or T`)
}
