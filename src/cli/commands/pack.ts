import { type Command, InvalidArgumentError, Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { memberDocument } from '../../formats/pack/manifest.js'
import type { ForceWord } from '../../machine/findings.js'
import { standardOutput } from '../../machine/stores/standard-output.js'
import { mostThreads } from '../../machine/workers/compress-pool.js'
import { pack } from '../../verbs/pack/index.js'
import { type PackCompression, type PackResult, packCompressions } from '../../verbs/pack/options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { packSwapped } from '../mistakes/swapped.js'
import { addBackingOptions, addForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'

interface Flags extends CommonFlags {
  readonly compress: PackCompression
  readonly level?: number
  readonly threads?: number
  readonly delta?: boolean
  readonly sparse?: 'auto' | 'always'
  readonly bmap?: string
  readonly backing?: string
  readonly backingRoot?: string
  readonly chain?: boolean
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Pack overlays together with their backing files, and images, into one compressed file, or to standard output if ' +
  'OUT is "-". The pack keeps holes, modification times and the digest of every file. "umlcow unpack" takes it apart ' +
  'on another machine, and rewrites the paths in the headers so that a guest boots at once. Without umlcow, ' +
  '"lz4 -d | tar -xS" unpacks it, too. OUT appears complete or not at all.'

export function configurePack(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<out> <file...>')
    .description(description)
    .option('--delta', 'leave the backing files out: unpack looks for each one and checks its digest')
    .addOption(new Option('-z, --compress <format>', 'how to compress').choices(packCompressions).default('lz4'))
    .option('--level <number>', 'compress more: 1 to 9 for gzip, 1 to 19 for zstd', numberArgument(19))
    .option(
      '--threads <number>',
      'threads that compress LZ4; default: one for each processor, at most 4',
      numberArgument(mostThreads),
    )
    .addOption(
      new Option(
        '--sparse <when>',
        'auto (default): pack what the host stores; always: leave out every aligned 4 KiB block of zeros',
      ).choices(['auto', 'always']),
    )
    .option('--bmap <file>', 'check a raw image by this bmap file, and pack what lies in none of its ranges as holes')
    .option(
      '--overwrite',
      'replace OUT, unless it is an input, an overlay, or the backing file of an overlay beside it',
    )
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'check and digest everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(addBackingOptions(command))))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow pack project.pack cow.node0 cow.node1\n  umlcow pack --delta - cow.node0 | ssh host ' +
      'umlcow unpack -C project -\n  umlcow pack -z gzip root.pack root_fs\n\nExit status: 0 done, 1 failed, 4 ' +
      'refused to protect data, 64 wrong usage.',
  )
  command.action(async (out: string, inputs: string[], flags: Flags) => {
    await runPack(out, inputs, flags, context)
    finish(exitStatus.done)
  })
}

function numberArgument(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= most) return value
    throw new InvalidArgumentError(`Give a whole number from 1 to ${most}.`)
  }
}

async function runPack(out: string, inputs: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const isPipe = out === '-'
  if (isPipe && wantsJson(flags)) throw new UmlcowError('USAGE', 'standard output cannot take both the pack and JSON')
  if (isPipe && flags.overwrite) {
    throw new UmlcowError('USAGE', '--overwrite needs a file: it has no meaning for standard output')
  }
  const { compress: compression, level, threads, delta, sparse, backing, backingRoot, chain } = flags
  const { bmap, overwrite, force, dryRun, sync } = flags
  const { signal } = context
  const result = await withProgress(flags, isPipe || wantsJson(flags), ({ onProgress }) => {
    const where = { backing, backingRoot, chain }
    const how = { delta, compression, level, threads, sparse, bmap, overwrite, force, dryRun, noSync: !sync }
    return pack(isPipe ? standardOutput('a pack') : out, inputs, { ...where, ...how, signal, onProgress })
  }).catch(async (error: unknown) => {
    throw isPipe ? withIncompleteOutput(error) : await packSwapped(error, out, inputs)
  })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result))
  else if (!isPipe && !flags.quiet) await context.printDone(text(result))
}

/** The reader of standard output must not take the part that it got for a whole pack. */
function withIncompleteOutput(error: unknown): unknown {
  if (!hasCode(error, 'INTERRUPTED')) return error
  const hint = 'standard output got only a part of the pack'
  return new UmlcowError('INTERRUPTED', 'stopped', { hint, cause: error })
}

/** Schema: docs/schema/pack.json */
function document(result: PackResult): unknown {
  return {
    filename: result.target === null ? null : jsonPath(result.target),
    compression: result.compression,
    members: result.members.map(memberDocument),
    bytes: result.written,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ target, members, written, dryRun }: PackResult): string {
  const names = members.map(({ name }) => printablePath(name)).join(', ')
  const total = members.reduce((sum, { storedSize }) => sum + storedSize, 0)
  const size = written === null ? '' : ` in ${formatSize(written)}`
  return `${printablePath(target ?? '-')}: ${dryRun ? 'would be ' : ''}${formatSize(total)} of ${names}${size}\n`
}
