import tty from 'node:tty'
import { type Command, Option } from 'commander'
import { escapeJson, printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import type { EntryType } from '../../../formats/manifest/index.js'
import { systemClock } from '../../../machine/clock.js'
import { joinPath } from '../../../machine/path-bytes.js'
import type { ListedDirectory, ListedFile } from '../../../verbs/files/list-directories.js'
import { type FileListing, type ListFilesOptions, listFiles } from '../../../verbs/files/list-files.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../../context.js'
import { LeftOut } from '../../left-out.js'
import { painterOf } from '../../listing/colours.js'
import { warnOfDamage } from '../../listing/findings.js'
import { inodeKeys } from '../../listing/inode-keys.js'
import { nameKeys } from '../../listing/json-names.js'
import { type ListStyle, listLines, totalLine } from '../../listing/long-columns.js'
import { type Newer, newerArgument } from '../../listing/newer-argument.js'
import { type TimeStyle, timeStyles, timeWriter } from '../../listing/time-style.js'
import { typeArgument, typeLetters } from '../../listing/type-argument.js'
import {
  addFileSystemOptions,
  addJsonOptions,
  type FileSystemFlags,
  fileSystemFlags,
  RichOption,
} from '../../options.js'
import { pieceLength, printPieces } from '../../print-pieces.js'

interface Flags extends CommonFlags, FileSystemFlags {
  readonly long?: boolean
  readonly numericUidGid?: boolean
  readonly recursive?: boolean
  readonly all?: boolean
  readonly almostAll?: boolean
  readonly inode?: boolean
  readonly directory?: boolean
  readonly humanReadable?: boolean
  readonly sortSize?: boolean
  readonly sortTime?: boolean
  readonly reverse?: boolean
  readonly names?: boolean
  readonly null?: boolean
  readonly timeStyle?: TimeStyle
  readonly color?: 'auto' | 'always' | 'never'
  readonly type?: readonly EntryType[]
  readonly name?: string
  readonly newer?: Newer
}

export function configureLs(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> [path...]')
    // -h has another meaning for ls.
    .helpOption('--help', 'print help')
    .description(
      'List files inside an image or overlay, as ls does: without root and without a mount. The file system is ext2, ' +
        'ext3 or ext4. Paths start at its root directory; without one, umlcow lists the root directory. Symbolic links ' +
        'lead to files of the image, never to files of this host.',
    )
    .option('-l, --long', 'show mode, links, owner, group, size, time of modification and the target of links')
    .option('-R, --recursive', 'list all directories below, too')
    .option('-a, --all', 'show names that begin with a dot, "." and ".."')
    .option('-A, --almost-all', 'show names that begin with a dot')
    .option('-i, --inode', 'show the number of the inode')
    .option('-d, --directory', 'list directories themselves, not what they hold')
    .option('-h, --human-readable', 'show sizes as 1.5K, 12M')
    .option('-S, --sort-size', 'sort by size, the largest first')
    .option('-t, --sort-time', 'sort by time, the newest first')
    .option('-r, --reverse', 'reverse the order')
    .option('--names', "show the names of users and groups from the image's own /etc/passwd and /etc/group")
    .option('-1', 'print one name in a line, as umlcow always does')
    .option('-n, --numeric-uid-gid', 'the same as -l: owners are numbers')
    .option('-0, --null', 'print paths only, as they are, each with a NUL byte at its end')
    .addOption(new Option('--time-style <style>', 'how to show times, in the zone of TZ').choices(timeStyles))
    .addOption(new Option('--color <when>', 'colour names by LS_COLORS').choices(['auto', 'always', 'never']))
    .addOption(typeOption())
    .option('--name <glob>', 'list only files whose name matches: *, ? and [...], byte for byte')
    .option('--newer <time>', 'list only files modified after a date, @SECONDS, or a file of the image', newerArgument)
  addFileSystemOptions(addJsonOptions(command))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow ls -l cow.node0 /etc\n  umlcow ls -lR --names cow.node0\n' +
      '  umlcow ls -R --type f --newer 2026-01-31 cow.node0 /home\n' +
      '\nExit status: 0 done, 1 a path does not exist, or the file system is damaged, 63 no ext file system.',
  )
  command.action(async (image: string, paths: string[], flags: Flags) => {
    refuseForeign(flags)
    const leftOut = new LeftOut(context)
    // One JSON document: the listing of all paths, or the error.
    const onLeftOut = wantsJson(flags) ? undefined : leftOut.onLeftOut
    const options = { ...listOptions(paths, flags), onLeftOut, signal: context.signal }
    const listing = await listFiles(image, options)
    try {
      await print(context, listing, paths.length, flags)
      warnOfDamage(context, listing.findings)
    } finally {
      await listing.close()
    }
    finish(leftOut.status)
  })
}

function typeOption(): Option {
  const text = 'list only files of these types, letters of find separated by commas'
  return new RichOption('--type <letters>', `${text}: ${typeLetters.join(', ')}`, {
    words: typeLetters,
    repeats: 'words',
  }).argParser(typeArgument)
}

function isLong({ long, numericUidGid }: Flags): boolean {
  return long === true || numericUidGid === true
}

/** @throws UmlcowError USAGE for options that mean nothing together */
function refuseForeign(flags: Flags): void {
  const foreign = wantsJson(flags) ? '--json' : isLong(flags) ? '--long' : flags.inode ? '--inode' : null
  if (flags.null && foreign !== null) {
    throw new UmlcowError('USAGE', `--null prints paths only: it does not support ${foreign}`)
  }
  if (flags.numericUidGid && flags.names) throw new UmlcowError('USAGE', '--numeric-uid-gid does not support --names')
  if (flags.sortSize && flags.sortTime) throw new UmlcowError('USAGE', '--sort-size does not support --sort-time')
}

function listOptions(paths: readonly string[], flags: Flags): ListFilesOptions {
  return {
    ...fileSystemFlags(flags),
    ...flags.newer,
    paths: paths.length === 0 ? undefined : paths,
    recursive: flags.recursive,
    directoriesAsFiles: flags.directory,
    details: isLong(flags) || wantsJson(flags),
    ownerNames: flags.names,
    hidden: flags.all ? 'all' : flags.almostAll ? 'almost-all' : 'none',
    sort: flags.sortSize ? 'size' : flags.sortTime ? 'time' : 'name',
    reverse: flags.reverse,
    types: flags.type,
    pattern: flags.name,
  }
}

async function print(context: CliContext, listing: FileListing, pathCount: number, flags: Flags): Promise<void> {
  if (flags.null) return printPaths(context, listing)
  if (wantsJson(flags)) return printPieces(context, jsonLines(listing))
  const hasHeaders = pathCount > 1 || flags.recursive === true
  await printPieces(context, textLines(listing, styleOf(listing, flags), hasHeaders))
}

function styleOf({ ownerNames }: FileListing, flags: Flags): ListStyle {
  const { color = 'auto' } = flags
  const isColoured = color === 'always' || (color === 'auto' && !process.env['NO_COLOR'] && tty.isatty(1))
  return {
    isLong: isLong(flags),
    showsInodes: flags.inode === true,
    isHuman: flags.humanReadable === true,
    time: timeWriter(flags.timeStyle ?? 'locale', systemClock.now() / 1000),
    ownerNames,
    paint: isColoured ? painterOf(process.env['LS_COLORS']) : null,
  }
}

async function* textLines(listing: FileListing, style: ListStyle, hasHeaders: boolean): AsyncGenerator<string> {
  let isFirst = true
  for await (const { path, files } of listing.directories) {
    let text = isFirst ? '' : '\n'
    isFirst = false
    if (path !== null && hasHeaders) text += `${printablePath(path)}:\n`
    if (path !== null && style.isLong) text += totalLine(files, style)
    for (const line of listLines(files, style)) {
      text += line
      if (text.length < pieceLength) continue
      yield text
      text = ''
    }
    yield text
  }
}

async function printPaths(context: CliContext, listing: FileListing): Promise<void> {
  const nul = Buffer.alloc(1)
  for await (const directory of listing.directories) {
    const parts = directory.files.flatMap((file) => [pathOf(directory, file), nul])
    await context.printBytes(Buffer.concat(parts))
  }
}

function pathOf({ path }: ListedDirectory, { name }: ListedFile): Uint8Array {
  return path === null ? name : joinPath(Buffer.from(path), name)
}

async function* jsonLines({ directories, ownerNames }: FileListing): AsyncGenerator<string> {
  let separator = '['
  for await (const directory of directories) {
    for (const file of directory.files) {
      const { inode, target } = file
      const [user, group] = [ownerNames?.user(inode.uid) ?? null, ownerNames?.group(inode.gid) ?? null]
      const keys = {
        ...nameKeys('path', pathOf(directory, file)),
        ...inodeKeys(inode),
        ...(ownerNames === null ? {} : { user, group }),
        ...(target === null ? {} : nameKeys('target', target)),
      }
      yield `${separator}${escapeJson(JSON.stringify(keys))}`
      separator = ',\n'
    }
  }
  yield separator === '[' ? '[]\n' : ']\n'
}
