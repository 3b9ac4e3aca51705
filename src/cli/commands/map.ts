import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { gatherCells } from '../../formats/picture/cells.js'
import { encodePng } from '../../formats/picture/png.js'
import { encodeSvg } from '../../formats/picture/svg.js'
import { encodeText } from '../../formats/picture/text.js'
import { writeBytes } from '../../overlays/write-bytes.js'
import { type ImageMap, type MapOptions, map } from '../../verbs/map/index.js'
import { writeBmap } from '../../verbs/map/write-bmap.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import {
  addBackingOptions,
  addForceOption,
  addJsonOptions,
  addNoBackingOption,
  backingFlags,
  sizeArgument,
} from '../options.js'
import { printPieces } from '../print-pieces.js'

interface Flags extends CommonFlags, Omit<MapOptions, 'signal' | 'files' | 'backing' | 'noBacking'> {
  readonly backing?: string | false
  readonly picture?: boolean
  readonly svg?: string
  readonly png?: string
  readonly bmap?: string
  readonly overwrite?: boolean
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
    .option('--holes', 'show the holes of raw files, where the host can list them')
    .option('--detect-zeroes', 'read all data and show what is zeros')
  addForceOption(addJsonOptions(addNoBackingOption(addBackingOptions(command))), ['mtime', 'size', 'in-use', 'leaks'])
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow map cow.node0\n  umlcow map --json cow.node0 > map.json\n  umlcow map --picture ' +
      'cow.node0\n  umlcow map --bmap disk.bmap disk.img\n\nExit status: 0 done, 1 a file is damaged, or the backing file ' +
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
      force: flags.force?.filter((word) => word === 'mtime' || word === 'size'),
      signal: context.signal,
    })
    try {
      if (flags.picture || flags.svg !== undefined || flags.png !== undefined) await draw(context, image, flags)
      else await (wantsJson(flags) ? printJsonMap(context, image) : printTable(context, image))
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
  const isPicture = flags.picture || flags.svg !== undefined || flags.png !== undefined
  if (flags.bmap !== undefined) refuseWithBmap(flags, isPicture)
  else if (flags.force?.includes('leaks')) throw new UmlcowError('USAGE', '--force=leaks is for --bmap')
  if (flags.bmap !== undefined || flags.svg !== undefined || flags.png !== undefined) return
  const hint = 'is for a file that map writes: add --svg, --png or --bmap'
  if (flags.overwrite) throw new UmlcowError('USAGE', `--overwrite ${hint}`)
  if (flags.force?.includes('in-use')) throw new UmlcowError('USAGE', `--force=in-use ${hint}`)
}

/** A bmap file is about a whole image. */
function refuseWithBmap(flags: Flags, isPicture: boolean): void {
  const isPart = flags.startOffset !== undefined || flags.maxLength !== undefined
  if (isPicture || isPart || flags.backing === false || wantsJson(flags)) {
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

const terminalGrid = { columns: 64, rows: 16 }
const pictureGrid = { columns: 128, rows: 64 }
const pngScale = 6

/** Draws all pictures from one walk over the map. */
async function draw(context: CliContext, image: ImageMap, flags: Flags): Promise<void> {
  const inFiles = flags.svg !== undefined || flags.png !== undefined
  if (flags.picture && inFiles) throw new UmlcowError('USAGE', '--picture does not support --svg and --png')
  if (wantsJson(flags)) throw new UmlcowError('USAGE', 'a picture cannot be printed as JSON')
  const { columns, rows } = inFiles ? pictureGrid : terminalGrid
  const grid = await gatherCells(image.extents, image.mappedLength, columns, rows)
  if (flags.picture) {
    const legend = 'overlay ░▒▓█  backing file ·  zeros blank; each character is'
    await context.print(
      `${encodeText(grid)}${legend} ${formatSize(Math.round(image.mappedLength / (columns * rows)))}\n`,
    )
  }
  const options = { overwrite: flags.overwrite, force: flags.force, inputs: image.layers, signal: context.signal }
  const pictures: [string, Uint8Array][] = []
  if (flags.svg !== undefined) pictures.push([flags.svg, Buffer.from(encodeSvg(grid))])
  if (flags.png !== undefined) pictures.push([flags.png, await encodePng(grid, pngScale)])
  const warnings = new Set<string>()
  for (const [path, bytes] of pictures) {
    for (const warning of (await writeBytes(path, bytes, options)).warnings) warnings.add(warning)
  }
  for (const warning of warnings) context.warn(warning)
}

/** Prints one object a line, as qemu-img does, and keeps none: a map can be larger than memory. */
async function printJsonMap(context: CliContext, image: ImageMap): Promise<void> {
  async function* lines(): AsyncGenerator<string> {
    let separator = '['
    for await (const { start, length, depth, present = true, zero, data, offset } of image.extents) {
      const extent = { start, length, depth, present, zero, data, ...(offset === undefined ? {} : { offset }) }
      yield `${separator}${JSON.stringify(extent)}`
      separator = ',\n'
    }
    yield separator === '[' ? '[]\n' : ']\n'
  }
  await printPieces(context, lines())
}

async function printTable(context: CliContext, image: ImageMap): Promise<void> {
  const row = (columns: string[]) => `${columns.map((column, i) => (i < 3 ? column.padEnd(16) : column)).join('')}\n`
  const names = image.layers.map((layer) => printablePath(layer))
  const hex = (value: number) => (value === 0 ? '0' : `0x${value.toString(16)}`)
  async function* lines(): AsyncGenerator<string> {
    yield row(['Offset', 'Length', 'Mapped to', 'File'])
    for await (const extent of image.extents) {
      if (!extent.data || extent.zero) continue
      yield row([
        hex(extent.start),
        hex(extent.length),
        extent.offset === undefined ? 'compressed' : hex(extent.offset),
        names[extent.depth] ?? '',
      ])
    }
  }
  await printPieces(context, lines())
}
