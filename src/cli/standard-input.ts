import { UmlcowError } from '../errors.js'

/** Standard input as a source of bytes, with its name for messages. */
export function standardInput(): { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> } {
  return { name: 'standard input', bytes: readStandardInput() }
}

async function* readStandardInput(): AsyncGenerator<Uint8Array> {
  try {
    yield* process.stdin
  } catch (error) {
    throw new UmlcowError('NOT_A_FILE', 'standard input: cannot be read', { cause: error })
  }
}
