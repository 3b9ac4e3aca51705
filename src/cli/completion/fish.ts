import type { OptionShape, Value, VerbShape } from './describe.js'

function quote(text: string): string {
  return `'${text.split('\\').join('\\\\').split("'").join("\\'")}'`
}

const values: Readonly<Record<Value['kind'], (value: Value) => string>> = {
  words: ({ words }) => `-a ${quote(words.join(' '))}`,
  file: () => '-F',
  directory: () => "-a '(__fish_complete_directories)'",
  user: () => "-a '(__fish_complete_users)'",
  group: () => "-a '(__fish_complete_groups)'",
  other: () => '',
}

function optionLine(verb: string, { names, meaning, value, repeats }: OptionShape): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const offered = value === null ? '' : `${value.kind === 'file' ? '-r' : '-x'} ${offer(value, repeats)}`
  return line(verb, [...flags, offered, `-d ${quote(meaning)}`])
}

function offer(value: Value, repeats: OptionShape['repeats']): string {
  return repeats === 'words' ? `-a '(__fish_append , ${value.words.join(' ')})'` : values[value.kind](value)
}

function line(verb: string, parts: readonly string[]): string {
  const words = ['complete -c umlcow', `-n ${quote(`__umlcow_is ${quote(verb)}`)}`, ...parts]
  return `${words.filter((word) => word !== '').join(' ')}\n`
}

/** What fish offers in place of names of files, which it offers by itself. */
function argumentLines({ name, arguments: all }: VerbShape): string[] {
  const special = all.filter(({ kind }) => kind !== 'file' && kind !== 'other')
  const files = all.some(({ kind }) => kind === 'file')
  return special.map((value) => line(name, [files ? '' : '-f', values[value.kind](value)]))
}

/** A script for fish. */
export function fishScript(verbs: readonly VerbShape[]): string {
  const own = verbs.filter(({ name }) => name.includes(' '))
  const lists = verbs
    .filter((verb) => !own.includes(verb))
    .map(({ name, summary }) => line('', ['-f', `-a ${name}`, `-d ${quote(summary)}`]))
  const lines = verbs.flatMap((verb) => [
    ...verb.options.map((option) => optionLine(verb.name, option)),
    ...argumentLines(verb),
  ])
  return `# Completes command lines of umlcow in fish. Made by "umlcow completion fish".
function __umlcow_is
    set -l words (commandline -opc)
    set -l verb "$words[2]"
    if contains -- "$words[2] $words[3]" ${own.map(({ name }) => quote(name)).join(' ')}
        set verb "$words[2] $words[3]"
    end
    test "$verb" = "$argv[1]"
end
${line('', ['-s h', '-l help', "-d 'print help'"])}${line('', ['-s V', '-l version', "-d 'print the version'"])}${lists.join('')}${lines.join('')}`
}
