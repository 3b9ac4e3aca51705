import type { CliContext } from './context.js'

/** Text is printed in pieces of about this many characters. */
export const pieceLength = 32 * 1024

/** Print lines as they come, and keep none: a list can be larger than memory. */
export async function printPieces(
  context: Pick<CliContext, 'print'>,
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  let piece = ''
  for await (const line of lines) {
    piece += line
    if (piece.length < pieceLength) continue
    await context.print(piece)
    piece = ''
  }
  await context.print(piece)
}
