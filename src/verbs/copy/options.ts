import type { Copier } from '../../engine/choose-copier.js'
import type { ImageFormat } from '../../images/image-formats.js'
import type { ForceWord } from '../../machine/findings.js'
import type { HostPath } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { flag, forceOf, oneOf, paths, type Rules, writerRules } from '../../machine/option-rules.js'
import type { MtimePrecision } from '../../machine/preserve-mtime.js'

export interface CopyOptions extends OperationOptions {
  /**
   * `auto` (the default): holes stay holes, and blocks of zeros become holes where umlcow itself reads the file;
   * `always`: every block of zeros becomes a hole; `never`: the host stores every byte.
   */
  readonly sparse?: 'auto' | 'always' | 'never' | undefined
  /** Share the storage of the source: `auto` (the default) where the file system can, `always` or fail, `never`. */
  readonly reflink?: 'auto' | 'always' | 'never' | undefined
  /**
   * A bmap file of bmaptool about the only source, a raw image. umlcow checks its digests. What lies in none of its ranges
   * becomes holes.
   */
  readonly bmap?: HostPath | undefined
  /** Give the copy the mtime, the permissions and, where the user may, the owner of the source, as `cp -p` does. */
  readonly preserve?: boolean | undefined
  /** Copy the header of an overlay as it is, with its relative path. */
  readonly keepPath?: boolean | undefined
  /** Replace an existing regular file that is neither an overlay nor the backing file of one. */
  readonly overwrite?: boolean | undefined
  /** `in-use`: copy a file that a process has open for writing, or that changes meanwhile. */
  readonly force?: readonly ForceWord[] | undefined
  readonly dryRun?: boolean | undefined
  /** Skip every fsync: for throwaway images. */
  readonly noSync?: boolean | undefined
}

export interface CopyResult {
  readonly source: string
  /** The path of the copy: in the given directory when the target is one. */
  readonly target: Buffer
  readonly format: ImageFormat
  /** Length of the file, bytes. */
  readonly size: number
  /** Bytes that the host stores of the copy; null for a dry run. */
  readonly allocatedSize: number | null
  /** How the bytes were copied; null for a dry run. */
  readonly copier: Copier | null
  /** The path in the header of the copy of an overlay; null for other files. */
  readonly backingPath: Buffer | null
  /** True when the header of the original has another path. */
  readonly pathChanged: boolean
  /** How exactly the copy has the mtime of the source; null for a dry run, and without `preserve`. */
  readonly mtime: MtimePrecision | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

const how = ['auto', 'always', 'never'] as const

export const copyRules: Rules = {
  ...writerRules,
  force: forceOf('in-use'),
  sparse: oneOf(how),
  reflink: oneOf(how),
  bmap: paths.any,
  preserve: flag,
  keepPath: flag,
}
