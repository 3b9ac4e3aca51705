import { type Command, Option } from 'commander'
import { isPowerOfTwo } from '../../bytes/align.js'
import { printablePath } from '../../bytes/escape.js'
import { formatSize, parseSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import type { ForceWord } from '../../machine/findings.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { type CreateResult, createOverlay, type NewFileVerbOptions } from '../../verbs/create.js'
import { createFrom } from '../../verbs/create-from.js'
import { createQcow2 } from '../../verbs/create-qcow2.js'
import { createRaw } from '../../verbs/create-raw.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { createSwapped, notASize } from '../mistakes/swapped.js'
import {
  addForceOption,
  addJsonOptions,
  addPathStyleOptions,
  addProgressOptions,
  type PathStyleFlags,
  pathStyleOf,
  sizeArgument,
} from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'
import { standardInput } from '../standard-input.js'

interface Flags extends CommonFlags, PathStyleFlags {
  readonly backing?: string
  readonly chain?: boolean
  readonly fs?: string
  readonly from?: string
  readonly format?: 'cow' | 'raw' | 'qcow2'
  readonly backingFormat?: 'cow' | 'raw' | 'qcow2'
  readonly clusterSize?: number
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

export function configureCreate(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<file> [size]')
    .description(
      'With -b: make an empty overlay on a backing file, the same bytes as uml_mkcow. With SIZE: make a sparse raw ' +
        'image. With --from: make a raw image with holes of another one. With -f qcow2: make an empty qcow2 image. ' +
        'SIZE is a number of bytes, or a number with K, M, G, T or P (powers of 1024).',
    )
    .option('-b, --backing <file>', 'the backing file of the new overlay')
    .addOption(
      new Option('-f, --format <format>', 'cow with -b, raw with SIZE, or qcow2 with one of them or both').choices([
        'cow',
        'raw',
        'qcow2',
      ]),
    )
    .addOption(
      new Option(
        '-F, --backing-format <format>',
        'for qcow2: the format of the backing file, which the image records',
      ).choices(['raw', 'cow', 'qcow2']),
    )
    .option('--cluster-size <size>', 'for qcow2: bytes of a cluster, 512 to 2M; default 64K', sizeArgument)
    .option('--fs <type>', "make this file system in the raw image, with the host's mkfs: ext4, swap, ...")
    .option('--from <file>', 'copy this raw image, which may be in LZ4, gzip or zstd; - is standard input')
    .option('--chain', 'the backing file may itself be an overlay (only umlcow reads such chains)')
    .option('--overwrite', 'replace FILE when it exists')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addForceOption(addJsonOptions(addPathStyleOptions(addProgressOptions(command))), ['in-use'])
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow create cow.node0 -b root_fs\n  umlcow create swap.img 512M --fs swap\n' +
      '  umlcow create data.img 10G --fs ext4\n  umlcow create root_fs --from root_fs.lz4\n' +
      '  umlcow create -f qcow2 -b root_fs -F raw disk.qcow2\n' +
      '\nExit status: 0 done, 1 failed (no file was left behind), 4 refused to protect data, 64 wrong usage.',
  )
  command.action(async (file: string, size: string | undefined, flags: Flags) => {
    const result = await run(file, size, flags, context)
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(createDocument(result))
    else if (!flags.quiet) await context.printDone(createText(result))
    finish(exitStatus.done)
  })
}

async function run(
  file: string,
  sizeText: string | undefined,
  flags: Flags,
  context: CliContext,
): Promise<CreateResult> {
  const { backing, fs, from, force, overwrite, dryRun, chain } = flags
  if (flags.progress !== undefined && from === undefined) {
    throw new UmlcowError('USAGE', '--progress is for --from')
  }
  const common = { force, overwrite, dryRun, noSync: !flags.sync, signal: context.signal }
  if (flags.format === 'qcow2') return runQcow2(file, sizeText, flags, common)
  if (flags.backingFormat !== undefined || flags.clusterSize !== undefined) {
    throw new UmlcowError('USAGE', '--backing-format and --cluster-size are for qcow2 images: give -f qcow2')
  }
  if (flags.format !== undefined && (flags.format === 'cow') !== (backing !== undefined)) {
    throw new UmlcowError('USAGE', 'a COW file needs -b BACKING, and a raw image has no backing file')
  }
  if (backing !== undefined) {
    if (from !== undefined) throw new UmlcowError('USAGE', '--from is for raw images: give it without -b')
    if (sizeText !== undefined)
      throw new UmlcowError('USAGE', 'an overlay has the size of its backing file: give -b or SIZE, not both')
    if (fs !== undefined)
      throw new UmlcowError('USAGE', '--fs is for raw images: an overlay shows the file system of its backing file')
    const options = { ...common, chain, pathStyle: pathStyleOf(flags, { kind: 'absolute' }) }
    try {
      return await createOverlay(file, backing, options)
    } catch (error) {
      if (chain) throw error
      throw await createSwapped(error, (overlay, below) => `umlcow create ${overlay} -b ${below}`, file, backing)
    }
  }
  if (chain || flags.relative || flags.chroot !== undefined) {
    throw new UmlcowError('USAGE', '--chain, --relative and --chroot are for overlays: give -b')
  }
  if (from !== undefined && fs !== undefined)
    throw new UmlcowError('USAGE', '--fs makes a new file system: give it without --from')
  const size = sizeText === undefined ? undefined : await checkedSize(file, sizeText)
  if (from !== undefined) {
    return withProgress(flags, wantsJson(flags), ({ onProgress }) =>
      createFrom(file, from === '-' ? standardInput() : from, { ...common, size, onProgress }),
    )
  }
  if (size === undefined)
    throw new UmlcowError('USAGE', 'create needs -b BACKING for an overlay, SIZE or --from FILE for a raw image')
  return createRaw(file, size, { ...common, fs })
}

async function checkedSize(file: string, text: string): Promise<number> {
  const size = parseSize(text)
  if (size === null) throw await notASize(file, text)
  return size
}

async function runQcow2(
  file: string,
  sizeText: string | undefined,
  flags: Flags,
  common: NewFileVerbOptions,
): Promise<CreateResult> {
  const { backing, backingFormat, clusterSize } = flags
  refuseForQcow2(file, flags)
  const size = sizeText === undefined ? undefined : await checkedSize(file, sizeText)
  if (clusterSize !== undefined && (clusterSize < 512 || clusterSize > 2 ** 21 || !isPowerOfTwo(clusterSize))) {
    throw new UmlcowError('USAGE', '--cluster-size: expected a power of two from 512 to 2M')
  }
  const pathStyle = pathStyleOf(flags, { kind: 'absolute' })
  return createQcow2(file, { ...common, size, backing, backingFormat, clusterSize, pathStyle })
}

/** Refuse options that mean nothing to a new qcow2 image. @throws UmlcowError USAGE */
function refuseForQcow2(file: string, { fs, from, chain, backing, backingFormat }: Flags): void {
  const refuse = (message: string, hint: string) => {
    throw new UmlcowError('USAGE', message, { hint })
  }
  if (fs !== undefined) {
    refuse(
      '--fs makes a raw image',
      'make that first, then "umlcow convert -O qcow2 RAW FILE" makes a qcow2 image of it',
    )
  }
  if (from !== undefined) {
    refuse('--from makes a raw image', `umlcow convert -O qcow2 ${shellQuote(from)} ${shellQuote(file)}`)
  }
  if (chain) {
    const why = 'a qcow2 image records the format of its backing file'
    refuse(
      `--chain is for COW files: ${why}`,
      'leave it out; -F cow or -F qcow2 says that the backing file is an image',
    )
  }
  if (backingFormat !== undefined && backing === undefined) {
    refuse('-F says what format the backing file has, and there is none', 'add -b FILE, or leave -F out')
  }
}

/** Schema: docs/schema/create.json */
function createDocument(result: CreateResult): unknown {
  return {
    filename: jsonPath(result.path),
    format: result.format,
    'virtual-size': result.virtualSize,
    ...(result.backingPath === null ? {} : { 'backing-filename': jsonPath(result.backingPath) }),
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function createText(result: CreateResult): string {
  const kind = result.format === 'qcow2' ? 'qcow2 image' : result.backingPath === null ? 'sparse raw image' : 'overlay'
  const what = result.backingPath === null ? kind : `${kind} on ${printablePath(result.backingPath)}`
  const verb = result.dryRun ? (kind === 'overlay' ? 'would be an ' : 'would be a ') : ''
  return `${printablePath(result.path)}: ${verb}${what}, ${formatSize(result.virtualSize)}\n`
}
