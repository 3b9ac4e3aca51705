import { type Command, InvalidArgumentError, Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize, parseSize } from '../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { ImageFormat } from '../../images/image-formats.js'
import { type ForceWord, newImageForceWords } from '../../machine/findings.js'
import { standardOutput } from '../../machine/stores/standard-output.js'
import { convert } from '../../verbs/convert/index.js'
import {
  type ConvertResult,
  imageFormatWords,
  isClusterSize,
  isGroupUnit,
  isZeroUnit,
} from '../../verbs/convert/options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import {
  addBackingOptions,
  addForceOption,
  addJsonOptions,
  addPathStyleOptions,
  addProgressOptions,
  type PathStyleFlags,
  pathStyleOf,
} from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'
import { standardInput } from '../standard-input.js'
import { unitArgument } from '../unit-argument.js'

interface Flags extends CommonFlags, PathStyleFlags {
  readonly inputFormat?: ImageFormat
  readonly outputFormat?: ImageFormat
  readonly bmap?: string
  readonly backing?: string
  readonly backingRoot?: string
  readonly chain?: boolean
  readonly outputBacking?: string
  readonly outputBackingFormat?: ImageFormat
  readonly clusterSize?: number
  readonly compress?: boolean
  readonly sparseSize?: number
  readonly unit?: number
  readonly options?: QemuOptions
  readonly showProgress?: boolean
  readonly allowShort?: boolean
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

/** What the options of `-o` say. */
interface QemuOptions {
  readonly clusterSize: number | undefined
}

/** Options of `-o` that say what umlcow does anyway. */
const impliedOptions: ReadonlySet<string> = new Set(['compat=1.1', 'compat=v3', 'compression_type=zlib'])

/** Parse `-o KEY=VALUE,...`. @param before  the cluster size of an earlier `-o` */
function qemuOption(text: string, before: QemuOptions | undefined): QemuOptions {
  let clusterSize = before?.clusterSize
  for (const option of text.split(',')) {
    if (impliedOptions.has(option)) continue
    const equals = option.indexOf('=')
    const size = equals < 0 ? null : parseSize(option.slice(equals + 1))
    if (option.slice(0, equals) !== 'cluster_size' || size === null || !isClusterSize(size)) {
      throw new InvalidArgumentError(
        'Only cluster_size=SIZE, compat=1.1 and compression_type=zlib are supported; -B and -F name a backing file.',
      )
    }
    clusterSize = size
  }
  return { clusterSize }
}

/** The cache modes of QEMU. umlcow syncs what it writes, unless --no-sync is given. */
const cacheModes = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe']

export function configureConvert(command: Command, context: CliContext, finish: Finish): void {
  const formats = (flags: string, text: string) => new Option(flags, text).choices(imageFormatWords)
  command
    .arguments('<in> <out>')
    .description(
      'Copy an image with its backing files into a new image OUT: raw, COW or qcow2. OUT "-" is standard output and ' +
        'takes raw images. A raw image IN may be in LZ4, gzip or zstd, and IN "-" reads one from standard input. With -B, OUT is an overlay on BACKING and stores only what differs from it. The options ' +
        'are those of qemu-img convert.',
    )
    .addOption(formats('-f, --input-format <format>', 'the format of IN; default what its first bytes show'))
    .addOption(formats('-O, --output-format <format>', 'the format of OUT; default raw'))
    .option('--bmap <file>', 'check a raw IN by this bmap file, and take what lies in none of its ranges as zeros')
    .option('-B, --output-backing <file>', 'make OUT an overlay on this backing file')
    .addOption(formats('-F, --output-backing-format <format>', 'the format of the file of -B, if IN does not use it'))
    .option('-c, --compress', 'compress the clusters of a qcow2 image')
    .option(
      '--cluster-size <size>',
      'the cluster size of a qcow2 image; default 64K',
      unitArgument(isClusterSize, 'a power of two from 512 to 2M'),
    )
    .addOption(
      new Option(
        '-o, --options <key=value>',
        'cluster_size=SIZE; compat=1.1 and compression_type=zlib are accepted: images are so anyway',
      ).argParser(qemuOption),
    )
    .option(
      '-S, --sparse-size <size>',
      'blocks of zeros of this size become holes; default 4K; 0 stores all zeros',
      unitArgument(isZeroUnit, '0 or a power of two from 512 to 256K'),
    )
    .option(
      '--unit <size>',
      'with -B: leave out groups of this size that BACKING has, too; default 4K for clusters into COW files',
      unitArgument(isGroupUnit, 'a power of two from 512 to 64K'),
    )
    .option('-W, --out-of-order', 'accepted and ignored, for scripts that call qemu-img')
    .option('-m, --coroutines <number>', 'accepted and ignored, for scripts that call qemu-img')
    .addOption(
      new Option('-t, --target-cache <mode>', 'accepted and ignored, for scripts that call qemu-img').choices(
        cacheModes,
      ),
    )
    .addOption(
      new Option('-T, --source-cache <mode>', 'accepted and ignored, for scripts that call qemu-img').choices(
        cacheModes,
      ),
    )
    .option('-p, --show-progress', 'the same as --progress=bar')
    .option('--allow-short', 'allocated sectors beyond the end of a COW file read as zeros, as in the kernel')
    .option('--overwrite', 'replace OUT when it exists')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('--dry-run', 'check everything, write nothing')
  addPathStyleOptions(addBackingOptions(command))
  addForceOption(addJsonOptions(addProgressOptions(command)), newImageForceWords)
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow convert -O qcow2 -B root_fs cow.node0 node0.qcow2\n' +
      '  umlcow convert -O cow -B root_fs node0.qcow2 cow.node0\n' +
      '  umlcow convert disk.qcow2 disk.img\n' +
      '  umlcow convert -O qcow2 root_fs.lz4 root_fs.qcow2\n' +
      '\nExit status: 0 done, 1 failed (no file was left behind), 4 refused to protect data, 64 wrong usage.',
  )
  command.action(async (input: string, output: string, flags: Flags) => {
    const result = await run(input, output, flags, context)
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(convertDocument(result))
    else if (result.output !== null && !flags.quiet) await context.printDone(convertText(result))
    finish(exitStatus.done)
  })
}

async function run(input: string, output: string, flags: Flags, context: CliContext): Promise<ConvertResult> {
  const isPipe = output === '-'
  if (isPipe && wantsJson(flags)) throw new UmlcowError('USAGE', 'standard output cannot take both the image and JSON')
  if (isPipe && flags.overwrite) {
    throw new UmlcowError('USAGE', '--overwrite needs a file: it has no meaning for standard output')
  }
  const hasPathStyle = flags.relative || flags.chroot !== undefined
  const shown = { quiet: flags.quiet, progress: flags.progress ?? (flags.showProgress ? 'bar' : undefined) }
  try {
    return await withProgress(shown, isPipe || wantsJson(flags), ({ onProgress }) =>
      convert(input === '-' ? standardInput() : input, isPipe ? standardOutput() : output, {
        bmap: flags.bmap,
        backing: flags.backing,
        backingRoot: flags.backingRoot,
        chain: flags.chain,
        inputFormat: flags.inputFormat,
        format: flags.outputFormat,
        outputBacking: flags.outputBacking,
        outputBackingFormat: flags.outputBackingFormat,
        pathStyle: hasPathStyle ? pathStyleOf(flags, { kind: 'absolute' }) : undefined,
        clusterSize: flags.clusterSize ?? flags.options?.clusterSize,
        compress: flags.compress,
        zeroUnit: flags.sparseSize,
        unit: flags.unit,
        allowShort: flags.allowShort,
        overwrite: flags.overwrite,
        force: flags.force,
        dryRun: flags.dryRun,
        noSync: !flags.sync,
        signal: context.signal,
        onProgress,
      }),
    )
  } catch (error) {
    if (!isPipe || !hasCode(error, 'INTERRUPTED')) throw error
    throw new UmlcowError('INTERRUPTED', 'stopped', {
      hint: 'standard output got only a part of the image',
      cause: error,
    })
  }
}

/** Schema: docs/schema/convert.json */
function convertDocument(result: ConvertResult): unknown {
  return {
    input: jsonPath(result.input),
    'input-format': result.inputFormat,
    filename: jsonPath(result.output ?? '-'),
    format: result.format,
    'virtual-size': result.virtualSize,
    ...(result.backingPath === null ? {} : { 'backing-filename': jsonPath(result.backingPath) }),
    'bytes-stored': result.storedBytes,
    'bytes-dropped': result.droppedBytes,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function convertText(result: ConvertResult): string {
  const what = result.backingPath === null ? '' : `, overlay on ${printablePath(result.backingPath)}`
  const stored = result.storedBytes === null ? '' : `; stores ${formatSize(result.storedBytes)}`
  const name = printablePath(result.output ?? '-')
  const verb = result.dryRun ? 'would be ' : ''
  return `${name}: ${verb}${result.format}, ${formatSize(result.virtualSize)}${what}${stored}\n`
}
