import { type OptionShape, optionsWithValue, type Value, type VerbShape } from './describe.js'

function quote(text: string): string {
  return `'${text.split('\\').join('\\\\').split("'").join("\\'")}'`
}

const values: Readonly<Record<Value['kind'], (value: Value) => string>> = {
  words: ({ words }) => `-a ${quote(words.join(' '))}`,
  after: () => '',
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
  return repeats === 'words' ? `-a '(__umlcow_list ${value.words.join(' ')})'` : values[value.kind](value)
}

function line(verb: string, parts: readonly string[]): string {
  return lineIf(`__umlcow_is ${quote(verb)}`, parts)
}

function lineIf(condition: string, parts: readonly string[]): string {
  const words = ['complete -c umlcow', `-n ${quote(condition)}`, ...parts]
  return `${words.filter((word) => word !== '').join(' ')}\n`
}

/** What fish offers in place of names of files, which it offers by itself: a line for each place that needs one. */
function argumentLines(verb: VerbShape): string[] {
  const count = verb.arguments.length
  const at = (place: string, before = '') =>
    `__umlcow_at ${quote(verb.name)} ${quote(place)} ${quote(before)} ${optionsWithValue(verb).join(' ')}`.trimEnd()
  const lines = verb.arguments.flatMap((value, i) => {
    if (value.kind === 'file') return []
    const place = `-${value.isList ? 'ge' : 'eq'} ${i + 1}`
    const more = value.after.map(([word, words]) => lineIf(at(place, word), [`-a ${quote(words.join(' '))}`]))
    return [lineIf(at(place), ['-f', values[value.kind](value)]), ...more]
  })
  return verb.arguments.at(-1)?.isList ? lines : [...lines, lineIf(at(`-gt ${count}`), ['-f'])]
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
# Tests the place of the present word among those that are no options and no values of options, and the word before it.
function __umlcow_at --argument-names verb place before
    __umlcow_is $verb; or return 1
    set -l words (commandline -opc)
    test -z "$before" -o "$before" = "$words[-1]"; or return 1
    set -l here 1
    set -l is_value 0
    for word in $words[(math 2 + (count (string split ' ' -- $verb)))..-1]
        if test $is_value = 1
            set is_value 0
        else if not string match -q -- '-*' $word
            set here (math $here + 1)
        else if contains -- $word $argv[4..-1]
            set is_value 1
        end
    end
    test $here (string split ' ' -- $place)
end
# Offers the words that a list with commas does not have yet.
function __umlcow_list
    set -l before (string match -r '.*,' -- (string replace -r '^--[^=]*=' '' -- (commandline -ct)))
    for word in $argv
        contains -- $word (string split , -- "$before"); or echo "$before$word"
    end
end
${line('', ['-s h', '-l help', "-d 'print help'"])}${line('', ['-s V', '-l version', "-d 'print the version'"])}${lists.join('')}${lines.join('')}`
}
