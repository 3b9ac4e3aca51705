import type { Command } from 'commander'
import { Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { memberDocument, type PackMember } from '../../formats/pack/manifest.js'
import type { ForceWord } from '../../machine/findings.js'
import { listPack, unpack, verifyPack } from '../../verbs/unpack/index.js'
import type { PackSource, UnpackResult } from '../../verbs/unpack/options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addForceOption, addJsonOptions, addProgressOptions, sizeArgument } from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'

interface Flags extends CommonFlags {
  readonly directory?: string
  readonly list?: boolean
  readonly verify?: boolean
  readonly backing?: string
  readonly maxSize?: number
  readonly keepHeaders?: boolean
  readonly relative?: boolean
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Take a pack apart into a directory. PACK may be "-", the default, for standard input. umlcow finds out by itself how ' +
  'it is compressed. The files get their holes, permissions and modification times back. The headers of overlays get ' +
  'the paths where their backing files are now, so that a guest boots at once. umlcow checks the digest of every ' +
  'file, then gives all files their names together. A file of a pack never goes anywhere but into the directory.'

export function configureUnpack(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('[pack]')
    .description(description)
    .option('-C, --directory <dir>', 'where the files go; default: the current directory')
    .addOption(new Option('--list', 'show what the pack holds, and make nothing').conflicts('verify'))
    .option('--verify', 'check the digest of every file, and make nothing')
    .option('-b, --backing <file>', 'the backing file of a delta pack; it must have the digest that the pack says')
    .option(
      '--max-size <size>',
      'refuse a pack whose files have more bytes together, with holes; default: 1T',
      sizeArgument,
    )
    .addOption(new Option('--keep-headers', 'leave the headers of overlays as they are').conflicts('relative'))
    .option('--relative', "store the paths relative to the overlays' directory")
    .option('--overwrite', 'replace files of these names, unless another overlay needs them')
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'read the manifest and check all places, make nothing')
  addProgressOptions(addForceOption(addJsonOptions(command), ['in-use', 'room']))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow unpack -C project project.pack\n  umlcow unpack --list project.pack\n  ssh host umlcow pack - ' +
      'cow.node0 | umlcow unpack -C project\n\nExit status: 0 done, 1 failed (no file was left behind), 4 refused, ' +
      'nothing was made, 63 not a pack, 64 wrong usage.',
  )
  command.action(async (source: string | undefined, flags: Flags) => {
    await run(source ?? '-', flags, context)
    finish(exitStatus.done)
  })
}

async function run(path: string, flags: Flags, context: CliContext): Promise<void> {
  const source = path === '-' ? { name: 'standard input', bytes: process.stdin } : path
  if (flags.list || flags.verify) await look(source, flags, context)
  else await make(source, flags, context)
}

async function look(source: PackSource, flags: Flags, context: CliContext): Promise<void> {
  const how = flags.list ? '--list' : '--verify'
  const { directory, backing, overwrite, force, keepHeaders, relative, maxSize } = flags
  const foreign = Object.entries({ directory, backing, overwrite, force, 'keep-headers': keepHeaders, relative })
  const given = foreign.find(([, value]) => value !== undefined)
  if (given !== undefined) throw new UmlcowError('USAGE', `${how} makes nothing: it does not support --${given[0]}`)
  const { signal } = context
  const { members, warnings } = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    (flags.list ? listPack : verifyPack)(source, { maxSize, signal, onProgress }),
  )
  if (!flags.quiet) for (const warning of warnings) context.warn(warning)
  const verified = flags.verify === true
  if (wantsJson(flags)) await context.printJson({ members: members.map(memberDocument), verified, warnings })
  else if (flags.list || !flags.quiet) await context.print(members.map((member) => line(member)).join(''))
}

async function make(source: PackSource, flags: Flags, context: CliContext): Promise<void> {
  const { directory, backing, maxSize, keepHeaders, relative, overwrite, force, dryRun, sync } = flags
  const { signal } = context
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) => {
    const where = { directory, backing, overwrite, force, maxSize }
    return unpack(source, { ...where, keepHeaders, relative, dryRun, noSync: !sync, signal, onProgress })
  })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result))
  else if (!flags.quiet) await context.printDone(text(result))
}

/** Schema: docs/schema/unpack.json */
function document({ directory, files, dryRun, warnings }: UnpackResult): unknown {
  return {
    directory: jsonPath(directory),
    files: files.map(({ member, path, mtime, backingPath }) => ({
      ...memberDocument(member),
      filename: jsonPath(path),
      'mtime-exact-to': mtime,
      'backing-filename': backingPath === null ? null : jsonPath(backingPath),
    })),
    'dry-run': dryRun,
    warnings,
  }
}

function text({ files, dryRun }: UnpackResult): string {
  const lines = files.map(({ member, path, backingPath }) => {
    const backing = backingPath === null ? '' : `, backing file ${printablePath(backingPath)}`
    return `${printablePath(path)}: ${dryRun ? 'would be ' : ''}${sizesOf(member)}${backing}\n`
  })
  return lines.join('')
}

function sizesOf({ size, storedSize }: PackMember): string {
  return `${formatSize(size)}, ${formatSize(storedSize)} of them stored`
}

function line(member: PackMember): string {
  const { overlay } = member
  const isHere = overlay?.backing.isIncluded ? '' : ', which the pack does not hold'
  const on = overlay === null ? '' : `, overlay on ${printablePath(overlay.backing.name)}${isHere}`
  return `${printablePath(member.name)}: ${sizesOf(member)}${on}, sha256 ${member.sha256}\n`
}
