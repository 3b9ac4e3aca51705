import type { PackMember } from '../../formats/pack/manifest.js'
import type { ForceWord } from '../../machine/findings.js'
import type { HostPath } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import {
  backingRules,
  flag,
  forceOf,
  oneOf,
  paths,
  type Rules,
  whole,
  writerRules,
} from '../../machine/option-rules.js'
import { compressionKinds } from '../../machine/streams/compression/kind.js'
import { mostThreads } from '../../machine/workers/compress-pool.js'
import type { BackingOptions } from '../../overlays/inspect-backing.js'

/** How a pack may be compressed. */
export const packCompressions = [...compressionKinds, 'none'] as const
export type PackCompression = (typeof packCompressions)[number]

export interface PackOptions extends OperationOptions, BackingOptions {
  /** Leave the backing files out. `unpack` then looks for each one and checks its digest. */
  readonly delta?: boolean | undefined
  /** Default `lz4`. */
  readonly compression?: PackCompression | undefined
  /** 1 to 9 for gzip, 1 to 19 for zstd. LZ4 has only 1. */
  readonly level?: number | undefined
  /** Threads that compress; default one for each processor, at most 4. */
  readonly threads?: number | undefined
  /**
   * `auto`, the default: pack what the host stores, or, where it cannot list that, all blocks with data. `always`: leave out
   * every aligned 4 KiB block of zeros.
   */
  readonly sparse?: 'auto' | 'always' | undefined
  /**
   * A bmap file of bmaptool about the only input, a raw image. umlcow checks its digests. What lies in none of its ranges
   * is packed as holes.
   */
  readonly bmap?: HostPath | undefined
  readonly overwrite?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
  /** Read and digest everything, and write nothing. */
  readonly dryRun?: boolean | undefined
  readonly noSync?: boolean | undefined
}

export const packRules: Rules = {
  ...writerRules,
  ...backingRules,
  delta: flag,
  compression: oneOf(packCompressions),
  level: whole(1, 19),
  threads: whole(1, mostThreads),
  sparse: oneOf(['auto', 'always']),
  bmap: paths.any,
  force: forceOf('in-use', 'mtime', 'size'),
}

export interface PackResult {
  /** Null for a stream. */
  readonly target: string | null
  readonly compression: PackCompression
  readonly members: readonly PackMember[]
  /** Bytes of the pack; null after a dry run. */
  readonly written: number | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
