/** The kinds of compression that umlcow reads and writes. */
export const compressionKinds = ['lz4', 'gzip', 'zstd'] as const

export type CompressionKind = (typeof compressionKinds)[number]

/** Find a kind by the name that `compressionOf` gives; null for one that umlcow does not read. */
export function compressionKind(name: string): CompressionKind | null {
  return compressionKinds.find((kind) => kind === name) ?? null
}
