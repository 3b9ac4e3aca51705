import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseSize } from '../bytes/size-text.js'
import { isWindowSize } from '../engine/window-size.js'
import { type ForceWord, forceWords } from '../machine/findings.js'
import type { PathStyle } from '../overlays/stored-path.js'
import type { HumfsForceWord } from '../trees/kinds/humfs/workspace.js'

/** A size or offset of an option. */
export function sizeArgument(text: string): number {
  const size = parseSize(text)
  if (size === null) throw new InvalidArgumentError('It takes bytes, or a number with K, M, G, T or P, such as 10G.')
  return size
}

/** Bytes moved at a time. */
export function bufferArgument(text: string): number {
  const size = sizeArgument(text)
  if (isWindowSize(size)) return size
  throw new InvalidArgumentError('It takes a multiple of 4K from 4K to 16M.')
}

/** The words of `--force`, separated by commas. */
function forceArgument<Word extends string>(allowed: readonly Word[]): (text: string, previous?: Word[]) => Word[] {
  return (text, previous = []) => {
    const words = text.split(',').map((word) => word.trim())
    for (const word of words) {
      if (!(allowed as readonly string[]).includes(word)) {
        throw new InvalidArgumentError(`"${word}" is none of ${allowed.join(', ')}.`)
      }
    }
    return [...previous, ...(words as Word[])]
  }
}

/** Those that a merge in place knows. */
export const inPlaceForceWords: readonly ForceWord[] = ['in-use', 'mtime', 'siblings', 'room']

/** Those that what finishes or gives up a merge in place knows. */
export const unfinishedForceWords: readonly ForceWord[] = ['in-use', 'siblings', 'journal']

/** Those of `merge` in all its forms. */
export const allForceWords: readonly ForceWord[] = ['in-use', 'mtime', 'size', 'siblings', 'room', 'journal']

/** One form of `merge` passes over the words of the others. */
export function knownForce(force: readonly ForceWord[] | undefined, known: readonly ForceWord[]): ForceWord[] {
  return (force ?? []).filter((word) => known.includes(word))
}

const forceMeanings: Record<ForceWord, string> = {
  'in-use': 'in-use (a process has the file open for writing)',
  mtime: 'mtime (the backing file has another modification time)',
  size: 'size (the backing file has another size)',
  siblings:
    'siblings (other overlays on the backing file, or what may be some, are left to the kernel to refuse; an overlay ' +
    'that others stand on is removed or emptied)',
  room: 'room (the disk may become full on the way)',
  journal:
    'journal (it cannot be told whether the process that began the merge has ended; and with --abandon: the files are ' +
    'not those that its journal tells of)',
}

const humfsForceMeanings: Record<HumfsForceWord, string> = {
  exists: 'exists (metadata that is there is moved aside, to names that end in .umlcow-old)',
  links: 'links (files that have names outside of data/ change there, too)',
  damage: 'damage (the reverse does what can be done, and keeps the metadata)',
}

export function addForceOption(command: Command, allowed: readonly ForceWord[] = forceWords): Command {
  return addForce(command, allowed, forceMeanings)
}

export function addHumfsForceOption(command: Command, allowed: readonly HumfsForceWord[]): Command {
  return addForce(command, allowed, humfsForceMeanings)
}

function addForce<Word extends string>(
  command: Command,
  allowed: readonly Word[],
  meaningOf: Record<Word, string>,
): Command {
  const meanings = allowed.map((word) => meaningOf[word]).join('; ')
  const option = new Option('--force <what>', `override what is named, separated by commas: ${meanings}`)
  return command.addOption(option.argParser(forceArgument(allowed)))
}

export function addJsonOptions(command: Command): Command {
  return command
    .addOption(new Option('--output <format>', 'output format').choices(['human', 'json']))
    .option('--json', 'the same as --output=json: one JSON document on standard output')
}

export function addProgressOptions(command: Command): Command {
  return command
    .option('--progress <how>', 'bar, json (lines on standard error), none, or a file descriptor for lines "N/100"')
    .option('-q, --quiet', 'print errors only')
}

export function addBackingOptions(command: Command): Command {
  return command
    .option('-b, --backing <file>', 'use this backing file, whatever the header says')
    .option('--backing-root <dir>', 'resolve the path in the header inside this directory, as in a chroot jail')
    .option('--chain', 'the backing file may itself be an overlay (the kernel takes it as plain data)')
}

/** Makes `--backing <file>` and `--no-backing` one flag: a path, false or undefined. */
export function addNoBackingOption(command: Command): Command {
  return command.option('--no-backing', 'do not look at the backing file')
}

export function backingFlags(flags: { readonly backing?: string | false }): {
  backing: string | undefined
  noBacking: boolean
} {
  return { backing: flags.backing === false ? undefined : flags.backing, noBacking: flags.backing === false }
}

export interface PathStyleFlags {
  readonly relative?: boolean
  readonly chroot?: string
}

export function addPathStyleOptions(command: Command): Command {
  return command
    .addOption(new Option('--relative', "store the path relative to the overlay's directory").conflicts('chroot'))
    .option('--chroot <jail>', 'store the path as a process sees it whose root directory is <jail>')
}

export function pathStyleOf(flags: PathStyleFlags, otherwise: PathStyle): PathStyle {
  if (flags.chroot !== undefined) return { kind: 'chroot', jail: flags.chroot }
  return flags.relative ? { kind: 'relative' } : otherwise
}
