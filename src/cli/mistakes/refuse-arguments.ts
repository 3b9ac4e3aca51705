import type { Command } from 'commander'
import { UmlcowError } from '../../errors.js'

// Arguments that no verb can use, and options that no verb would see.

/** The words of a command line that are not options, each with the name of its argument. */
function* namedArguments(command: Command): Generator<{ name: string; word: string }> {
  const names = command.registeredArguments
  for (const [i, word] of command.args.entries()) {
    const argument = names[Math.min(i, names.length - 1)]
    if (argument !== undefined) yield { name: argument.name(), word }
  }
}

/** The options with a value, under their long names, each with all its values. */
function* namedValues(command: Command): Generator<{ name: string; word: string; isDirectory: boolean }> {
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName())
    const words = Array.isArray(value) ? value : [value]
    const name = option.long ?? option.flags
    const isDirectory = ['<dir>', '<jail>'].some((one) => option.flags.endsWith(one))
    for (const word of words) if (typeof word === 'string') yield { name, word, isDirectory }
  }
}

/** Refuse empty arguments: a variable of the shell was not set. @throws UmlcowError USAGE */
export function refuseEmpty(command: Command): void {
  for (const { name, word } of namedValues(command)) if (word === '') throw emptyWord(name)
  for (const { name, word } of namedArguments(command)) if (word === '') throw emptyWord(name.toUpperCase())
}

function emptyWord(name: string): UmlcowError {
  return new UmlcowError('USAGE', `${name}: is empty`, { hint: 'is a variable of the shell not set?' })
}

/**
 * Refuse "-" where no pipe can do: umlcow reads most files more than once, and not from start to end.
 *
 * @param allowed  the names of the arguments, or the long name of the option, that may be "-"
 * @throws         UmlcowError USAGE
 */
export function refuseDash(command: Command, allowed: string | readonly string[] | undefined): void {
  const mayBeDash = (name: string) => [allowed ?? []].flat().includes(name)
  for (const { name, word, isDirectory } of namedValues(command)) {
    if (word !== '-' || mayBeDash(name)) continue
    throw isDirectory ? dashForDirectory(name) : dash(name, command)
  }
  for (const { name, word } of namedArguments(command)) {
    if (word !== '-' || mayBeDash(name)) continue
    throw name === 'dir' ? dashForDirectory('DIR') : dash(name.toUpperCase(), command)
  }
}

function dashForDirectory(name: string): UmlcowError {
  return new UmlcowError('USAGE', `${name}: "-" is no directory`, {
    hint: 'give the name of a directory; one with the name "-" is ./-',
  })
}

function dash(name: string, command: Command): UmlcowError {
  const verb = command.name()
  const isInput = name === 'COW' || (name === 'FILE' && verb !== 'create')
  const way = isInput
    ? `save standard input in a file first, and give its name in the place of "-"`
    : 'give the name of a file'
  return new UmlcowError('USAGE', `${name}: "-" is no file, and ${verb} cannot use a pipe there`, {
    hint: `${way}; a file with the name "-" is ./-`,
  })
}

/** Refuse options of a verb before an action that has its own: nothing would read them. @throws UmlcowError USAGE */
export function refuseEarlyOptions(parent: Command, action: Command): void {
  const early = parent.options.find((one) => parent.getOptionValueSource(one.attributeName()) === 'cli')
  if (early === undefined) return
  const words = `${parent.name()} ${action.name()}`
  throw new UmlcowError('USAGE', `${early.long ?? early.flags}: give the options of "${words}" after these words`, {
    hint: `umlcow ${words} --help`,
  })
}
