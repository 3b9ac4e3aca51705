import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseDigits } from '../bytes/decimal.js'
import { parseSize, sizeProblem } from '../bytes/size-text.js'
import { isWindowSize } from '../engine/window-size.js'
import { UmlcowError } from '../errors.js'
import { type ForceWord, forceWords, newImageForceWords } from '../machine/findings.js'
import type { FileSystemOptions } from '../overlays/open-file-system.js'
import { highestPartition } from '../overlays/partition-path.js'
import type { PathStyle } from '../overlays/stored-path.js'
import type { HumfsForceWord } from '../trees/kinds/humfs/workspace.js'

/** A size or offset of an option. */
export function sizeArgument(text: string): number {
  const size = parseSize(text)
  if (size === null) throw new InvalidArgumentError(`${sizeProblem(text)}.`)
  return size
}

/** Bytes moved at a time. */
export function bufferArgument(text: string): number {
  const size = sizeArgument(text)
  if (isWindowSize(size)) return size
  throw new InvalidArgumentError('Give a multiple of 4K from 4K to 16M.')
}

/** An option with more than commander knows: for the completion of shells. */
export class RichOption extends Option {
  /** Words that its value may be; others may be possible, too. */
  readonly words: readonly string[]
  /** It can be given more than once, or take several words, separated by commas. */
  readonly repeats: 'no' | 'option' | 'words'

  constructor(flags: string, description: string, more: { words?: readonly string[]; repeats?: 'option' | 'words' }) {
    super(flags, description)
    this.words = more.words ?? []
    this.repeats = more.repeats ?? 'no'
  }
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

/** The words that a merge in place takes. */
export const inPlaceForceWords: readonly ForceWord[] = ['in-use', 'mtime', 'siblings', 'room']

/** The words that `merge --resume` and `merge --abandon` take. */
export const unfinishedForceWords: readonly ForceWord[] = ['in-use', 'siblings', 'journal']

/** The words that `merge` takes in all its forms. */
export const allForceWords: readonly ForceWord[] = [...newImageForceWords, 'siblings', 'room', 'journal']

/** Where a word has a meaning, for a form of a verb that does not take it. */
const forceHomes: Record<ForceWord, string> = {
  'in-use': 'it is for verbs that look for processes',
  mtime: 'it is for the start of a merge',
  size: 'it is for a merge into a new file',
  siblings: 'it is for merging in place: add -d',
  room: 'it is for merging in place: add -d',
  journal: 'it is for merge --resume and merge --abandon',
  leaks: 'it is for a merge into a new file',
  damage: 'it is for verbs that read a file system',
}

/**
 * Refuse words of `--force` that a form of a verb does not take. To ignore one would hide a mistake.
 *
 * @param form  as in "a merge in place"
 * @returns     the words
 * @throws      UmlcowError USAGE that says where the word has a meaning
 */
export function knownForce(
  form: string,
  force: readonly ForceWord[] | undefined,
  known: readonly ForceWord[],
): readonly ForceWord[] | undefined {
  const foreign = force?.find((word) => !known.includes(word))
  if (foreign === undefined) return force
  throw new UmlcowError('USAGE', `${form} does not support --force=${foreign}: ${forceHomes[foreign]}`)
}

const forceMeanings: Record<ForceWord, string> = {
  'in-use': 'in-use (a process has the file open for writing)',
  mtime: 'mtime (the backing file has another modification time)',
  size: 'size (the backing file has another size)',
  siblings:
    'siblings (other overlays use the backing file, or files that may be overlays: the kernel refuses them ' +
    'afterwards; or another overlay uses this one as its backing file: what it shows changes)',
  room: 'room (the disk may become full before the end)',
  journal:
    'journal (umlcow cannot see whether the process that began the merge has ended; with --abandon also: the files ' +
    'are not the ones that the journal names)',
  damage: 'damage (the file system has wrong checksums: show it as it is)',
  leaks: 'leaks (clusters of a qcow2 image leaked: they may be data whose table entry was lost)',
}

const humfsForceMeanings: Record<HumfsForceWord, string> = {
  exists: 'exists (there is metadata already: it gets names that end in .umlcow-old)',
  links: 'links (files in data/ have names outside of it: they change there, too)',
  damage: 'damage (restore what can be restored, and keep the metadata)',
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
  const text = `go on in spite of this; separate words by commas: ${meanings}`
  const option = new RichOption('--force <what>', text, { words: allowed, repeats: 'words' })
  return command.addOption(option.argParser(forceArgument(allowed)))
}

export function addJsonOptions(command: Command): Command {
  return command
    .addOption(new Option('--output <format>', 'output format').choices(['human', 'json']))
    .option('--json', 'the same as --output=json: one JSON document on standard output')
}

export function addProgressOptions(command: Command): Command {
  return command
    .addOption(
      new RichOption(
        '--progress <how>',
        'bar, json (lines on standard error), none, or a number: a file descriptor that gets lines "N/100"',
        { words: ['bar', 'json', 'none'] },
      ),
    )
    .option('-q, --quiet', 'print errors only')
}

/** Directories to search, all that were given. @param description  without the note that it can be repeated */
export function addSiblingsInOption(command: Command, description: string): Command {
  const text = `${description}; can be given more than once`
  const option = new RichOption('--siblings-in <dir>', text, { repeats: 'option' })
  return command.addOption(
    option.argParser((directory: string, before: readonly string[] = []) => [...before, directory]),
  )
}

export function addBackingOptions(command: Command): Command {
  return command
    .option('-b, --backing <file>', 'use this backing file, not the one in the header')
    .option('--backing-root <dir>', 'look up the path in the header inside this directory, as in a chroot jail')
    .option('--chain', 'the backing file may itself be an overlay (the kernel would read it as plain data)')
}

/** Options of verbs that read the file system inside an image. @param words  those of `--force` */
export function addFileSystemOptions(
  command: Command,
  words: readonly ForceWord[] = ['mtime', 'size', 'damage'],
): Command {
  addPartitionOption(addBackingOptions(command), 'read this partition, from 1; 0 for the whole image')
  return addForceOption(addReplayOption(command), words)
}

export function addReplayOption(command: Command): Command {
  return command.option('--no-replay', 'look at the bare disk: do not replay the journal in memory')
}

export interface FileSystemFlags extends Pick<FileSystemOptions, 'backingRoot' | 'chain' | 'partition' | 'force'> {
  readonly backing?: string
  readonly replay?: boolean
}

/** Turn the flags of `addFileSystemOptions` into options of the library. */
export function fileSystemFlags(flags: FileSystemFlags): FileSystemOptions {
  const { backing, backingRoot, chain, partition, replay, force } = flags
  return { backing, backingRoot, chain, partition, noReplay: replay === false, force }
}

export function addPartitionOption(command: Command, description: string): Command {
  return command.option('--partition <number>', description, partitionArgument)
}

function partitionArgument(text: string): number {
  const number = parseDigits(Buffer.from(text), 10)
  if (number !== null && number <= highestPartition) return number
  throw new InvalidArgumentError('Give the number of a partition, from 1, or 0 for the whole image.')
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
    .option('--chroot <jail>', 'store the path as a process inside this chroot jail sees it')
}

export function pathStyleOf(flags: PathStyleFlags, otherwise: PathStyle): PathStyle {
  if (flags.chroot !== undefined) return { kind: 'chroot', jail: flags.chroot }
  return flags.relative ? { kind: 'relative' } : otherwise
}
