import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { ownerLooks } from '../../formats/picture/owner-paint.js'
import { type ImageMap, type MapOptions, map } from '../../verbs/map/index.js'
import { writeBmap } from '../../verbs/map/write-bmap.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import {
  addBackingOptions,
  addForceOption,
  addJsonOptions,
  addNoBackingOption,
  addPartitionOption,
  addReplayOption,
  backingFlags,
  sizeArgument,
} from '../options.js'
import { printPieces } from '../print-pieces.js'
import { drawMap, isPicture, type PictureFlags } from '../reports/map-pictures.js'

interface Flags
  extends CommonFlags,
    PictureFlags,
    Omit<MapOptions, 'signal' | 'files' | 'backing' | 'noBacking' | 'noReplay'> {
  readonly backing?: string | false
  readonly replay?: boolean
  readonly bmap?: string
}

export function configureMap(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<file>')
    .description(
      'Show the extents of an image as qemu-img map does: depth 0 is the file itself, 1 its backing file. umlcow ' +
        'does not read the data of the backing file, so it shows its extents as data unless you give --detect-zeroes.',
    )
    .option('--start-offset <offset>', 'start at this guest byte', sizeArgument)
    .option('--max-length <length>', 'show at most this many guest bytes', sizeArgument)
    .option('--picture', 'draw the image in the terminal: shades for the overlay, dots for the backing file')
    .option('--svg <file>', 'write the picture as SVG to this file')
    .option('--png <file>', 'write the picture as PNG to this file')
    .option('--bmap <file>', 'write a bmap file for bmaptool: the blocks with data, and their SHA-256 digests')
    .option('--overwrite', 'replace the file of the picture, or the bmap file')
    .option(
      '--owners',
      'show what the bytes are for, in the map or the picture: journal, inode tables, directories, file data, other ' +
        'metadata, free space, or outside the ext2, ext3 or ext4 file system',
    )
    .option('--holes', 'show the holes of raw files, where the host can list them')
    .option('--detect-zeroes', 'read all data and show what is zeros')
  addNoBackingOption(addBackingOptions(command))
  addReplayOption(addPartitionOption(command, 'with --owners: the file system in this partition, from 1; 0: the image'))
  addForceOption(addJsonOptions(command), ['mtime', 'size', 'in-use', 'leaks', 'damage'])
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow map cow.node0\n  umlcow map --json cow.node0 > map.json\n  umlcow map --picture ' +
      'cow.node0\n  umlcow map --owners --svg owners.svg cow.node0\n  umlcow map --bmap disk.bmap disk.img\n\nExit status: 0 done, 1 a file is damaged, or the backing file ' +
      'is missing or does not fit, 4 refused to write the file of a picture or the bmap file; with --svg, --png and ' +
      '--bmap also if the backing file does not fit, 64 wrong usage.',
  )
  command.action(async (path: string, flags: Flags) => {
    refuseForeign(flags)
    if (flags.bmap !== undefined) {
      await printBmap(context, path, flags.bmap, flags)
      return finish(exitStatus.done)
    }
    const image = await map(path, {
      ...backingFlags(flags),
      backingRoot: flags.backingRoot,
      chain: flags.chain,
      startOffset: flags.startOffset,
      maxLength: flags.maxLength,
      holes: flags.holes,
      detectZeroes: flags.detectZeroes,
      owners: flags.owners,
      partition: flags.partition,
      noReplay: flags.replay === false,
      force: flags.force?.filter((word) => word === 'mtime' || word === 'size' || word === 'damage'),
      signal: context.signal,
    })
    try {
      for (const note of image.notes) context.warn(note)
      if (isPicture(flags) && wantsJson(flags)) throw new UmlcowError('USAGE', 'a picture cannot be printed as JSON')
      if (isPicture(flags)) await drawMap(context, image, flags)
      else await (wantsJson(flags) ? printJsonMap(context, image) : printTable(context, image, flags))
    } finally {
      await image.close()
    }
    finish(exitStatus.done)
  })
}

/** @throws UmlcowError USAGE for options that mean nothing together */
function refuseForeign(flags: Flags): void {
  if (flags.backing === false && flags.detectZeroes) {
    throw new UmlcowError('USAGE', '--detect-zeroes reads the backing file: it does not support --no-backing')
  }
  if (flags.owners) refuseWithOwners(flags)
  else refuseWithoutOwners(flags)
  if (flags.bmap !== undefined) refuseWithBmap(flags)
  else if (flags.force?.includes('leaks')) throw new UmlcowError('USAGE', '--force=leaks is for --bmap')
  const inFiles = flags.svg !== undefined || flags.png !== undefined
  if (flags.picture && inFiles) throw new UmlcowError('USAGE', '--picture does not support --svg and --png')
  if (flags.bmap !== undefined || inFiles) return
  const hint = 'is for a file that map writes: add --svg, --png or --bmap'
  if (flags.overwrite) throw new UmlcowError('USAGE', `--overwrite ${hint}`)
  if (flags.force?.includes('in-use')) throw new UmlcowError('USAGE', `--force=in-use ${hint}`)
}

function refuseWithOwners(flags: Flags): void {
  if (flags.backing === false) {
    throw new UmlcowError('USAGE', '--owners reads the backing file: it does not support --no-backing')
  }
  if (flags.bmap !== undefined) throw new UmlcowError('USAGE', '--bmap does not support --owners')
}

function refuseWithoutOwners(flags: Flags): void {
  if (flags.partition !== undefined) throw new UmlcowError('USAGE', '--partition is for --owners')
  if (flags.replay === false) throw new UmlcowError('USAGE', '--no-replay is for --owners')
  if (flags.force?.includes('damage')) throw new UmlcowError('USAGE', '--force=damage is for --owners')
}

/** A bmap file is about a whole image. */
function refuseWithBmap(flags: Flags): void {
  const isPart = flags.startOffset !== undefined || flags.maxLength !== undefined
  if (isPicture(flags) || isPart || flags.backing === false || wantsJson(flags)) {
    throw new UmlcowError('USAGE', '--bmap writes the map of a whole image: give it without options for other maps', {
      hint: '--detect-zeroes, --backing, --backing-root and --chain go with it',
    })
  }
}

async function printBmap(context: CliContext, path: string, target: string, flags: Flags): Promise<void> {
  const { backing } = backingFlags(flags)
  const { backingRoot, chain, detectZeroes, overwrite, force } = flags
  const how = { backing, backingRoot, chain, detectZeroes, overwrite, force, signal: context.signal }
  const { virtualSize, mappedLength, ranges, warnings } = await writeBmap(path, target, how)
  for (const warning of warnings) context.warn(warning)
  const what = `${formatSize(mappedLength)} of ${formatSize(virtualSize)} in ${ranges} ranges`
  await context.printDone(`${printablePath(target)}: ${what}\n`)
}

/** Prints one object a line, as qemu-img does, and keeps none: a map can be larger than memory. */
async function printJsonMap(context: CliContext, image: ImageMap): Promise<void> {
  async function* lines(): AsyncGenerator<string> {
    let separator = '['
    for await (const { start, length, depth, present = true, zero, data, offset, owner } of image.extents) {
      const more = { ...(offset === undefined ? {} : { offset }), ...(owner === undefined ? {} : { owner }) }
      const extent = { start, length, depth, present, zero, data, ...more }
      yield `${separator}${JSON.stringify(extent)}`
      separator = ',\n'
    }
    yield separator === '[' ? '[]\n' : ']\n'
  }
  await printPieces(context, lines())
}

async function printTable(context: CliContext, image: ImageMap, { owners }: Flags): Promise<void> {
  const row = (columns: string[], last: string) => `${columns.map((column) => column.padEnd(16)).join('')}${last}\n`
  const names = image.layers.map((layer) => printablePath(layer))
  const hex = (value: number) => (value === 0 ? '0' : `0x${value.toString(16)}`)
  async function* lines(): AsyncGenerator<string> {
    yield row(['Offset', 'Length', 'Mapped to', ...(owners ? ['Owner'] : [])], 'File')
    for await (const { start, length, offset, depth, data, zero, owner } of image.extents) {
      if (!data || zero) continue
      const place = offset === undefined ? 'compressed' : hex(offset)
      const shown = owner === undefined ? [] : [ownerLooks[owner].name]
      yield row([hex(start), hex(length), place, ...shown], names[depth] ?? '')
    }
  }
  await printPieces(context, lines())
}
