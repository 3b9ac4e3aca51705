import { UmlcowError } from '../../errors.js'

/** Where in an input of LZ4 frames an error is. */
export interface Lz4Place {
  /** The input, for messages. */
  readonly name: string
  /** Bytes from the start of the input. */
  readonly offset: number
}

export function badLz4({ name, offset }: Lz4Place, what: string): UmlcowError {
  return new UmlcowError('BAD_COMPRESSED', `${name}: damaged LZ4 data: ${what} at offset ${offset}`)
}

export function truncatedLz4({ name, offset }: Lz4Place): UmlcowError {
  return new UmlcowError('TRUNCATED_COMPRESSED', `${name}: the LZ4 data ends too early, at offset ${offset}`)
}
