import type { OptionShape, Value, VerbShape } from './describe.js'

function quote(text: string): string {
  return `'${text.split("'").join("'\\''")}'`
}

/** Escape characters that have a meaning in a specification of `_arguments` and `_describe`. */
function escapeSpec(text: string): string {
  return [...text].map((one) => ('\\[]:'.includes(one) ? `\\${one}` : one)).join('')
}

const actions: Readonly<Record<Value['kind'], (value: Value) => string>> = {
  words: ({ words }) => `(${words.join(' ')})`,
  after: ({ after }) => {
    const cases = after.map(([word, words]) => `${word}) compadd -- ${words.join(' ')} ;;`)
    return `{ case $words[CURRENT-1] in ${cases.join(' ')} esac }`
  },
  file: () => '_files',
  directory: () => '_directories',
  user: () => '_users',
  group: () => '_groups',
  other: () => ' ',
}

function actionOf(value: Value, repeats: OptionShape['repeats']): string {
  return repeats === 'words' ? `_sequence compadd - ${value.words.join(' ')}` : actions[value.kind](value)
}

/** The specifications of an option: one for each of its names, which exclude one another. */
function optionSpecs({ names, meaning, value, repeats }: OptionShape): string[] {
  const others = repeats === 'no' ? (names.length > 1 ? `(${names.join(' ')})` : '') : '*'
  return names.map((name) => {
    const joint = value === null ? '' : name.startsWith('--') ? '=' : '+'
    const argument = value === null ? '' : `:${value.name}:${actionOf(value, repeats)}`
    return quote(`${others}${name}${joint}[${escapeSpec(meaning)}]${argument}`)
  })
}

function verbCase({ name, options, arguments: values }: VerbShape): string {
  const places = values.map((value, i) =>
    quote(`${value.isList ? '*' : i + 1}:${value.name}:${actions[value.kind](value)}`),
  )
  const specs = [...options.flatMap(optionSpecs), ...places].map((spec) => `        ${spec}`)
  return `    ${quote(name)})\n      _arguments -s -S \\\n${specs.join(' \\\n')}\n      ;;\n`
}

/** A script for zsh: a function to load from fpath, or to source after compinit. */
export function zshScript(verbs: readonly VerbShape[]): string {
  const own = verbs.filter(({ name }) => name.includes(' '))
  const list = verbs
    .filter((verb) => !own.includes(verb))
    .map(({ name, summary }) => `      ${quote(`${name}:${escapeSpec(summary)}`)}`)
  return `#compdef umlcow
# Completes command lines of umlcow in zsh. Made by "umlcow completion zsh".
_umlcow() {
  local curcontext=$curcontext verb=$words[2]
  if ((CURRENT == 2)); then
    local -a verbs=(
${list.join('\n')}
    )
    _describe -t verbs verb verbs
    [[ $PREFIX == -* ]] && compadd -- -h --help -V --version
    return
  fi
  if ((CURRENT > 3)); then
    case "$verb $words[3]" in
      ${own.map(({ name }) => quote(name)).join(' | ')})
        verb+=" $words[3]"
        shift words
        ((CURRENT--))
        ;;
    esac
  fi
  shift words
  ((CURRENT--))
  case $verb in
${verbs.map(verbCase).join('')}  esac
}
if [[ $funcstack[1] == _umlcow ]]; then _umlcow "$@"; else compdef _umlcow umlcow; fi
`
}
