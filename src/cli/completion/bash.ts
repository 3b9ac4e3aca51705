import { type OptionShape, optionsWithValue, type Value, type VerbShape } from './describe.js'

/** Bash completes names of files by itself where the function below offers nothing, but not after this. */
const noFiles = 'compopt +o default +o bashdefault 2> /dev/null'

const commands: Readonly<Record<Value['kind'], (value: Value) => string>> = {
  words: ({ words }) => `words='${words.join(' ')}'`,
  file: () => 'return',
  directory: () => 'compopt -o dirnames +o default 2> /dev/null; return',
  user: () => 'words=$(compgen -u)',
  group: () => 'words=$(compgen -g)',
  other: () => `${noFiles}; return`,
  after: ({ after }) => {
    const cases = after.map(([word, words]) => `${word}) words='${words.join(' ')}' ;;`)
    return `${noFiles}; case $option in ${cases.join(' ')} esac`
  },
}

function valueCase({ names, value, repeats }: OptionShape): string {
  if (value === null) return ''
  const list = repeats === 'words' ? '; comma=,' : ''
  return `        ${names.join(' | ')}) ${commands[value.kind](value)}${list} ;;\n`
}

/** What the words after the verb may be, by their place among those that are no options and no values of options. */
function argumentCases(verb: VerbShape): string {
  const first = verb.name.split(' ').length + 1
  const cases = verb.arguments.map((value, i) => `${value.isList ? '*' : i + 1}) ${commands[value.kind](value)} ;;`)
  const all = [...cases, `*) ${noFiles}; return ;;`].map((one) => `              ${one}\n`)
  return (
    `            _umlcow_place ${first} ' ${optionsWithValue(verb).join(' ')} '\n` +
    `            case $place in\n${all.join('')}            esac\n`
  )
}

function verbCase(verb: VerbShape): string {
  const names = verb.options.flatMap((option) => option.names)
  return (
    `    '${verb.name}')\n      case $option in\n${verb.options.map(valueCase).join('')}        *)\n` +
    `          if [[ $cur == -* ]]; then\n            words='${names.join(' ')}'\n          else\n${argumentCases(verb)}` +
    `          fi\n          ;;\n      esac\n      ;;\n`
  )
}

/** A script for bash. */
export function bashScript(verbs: readonly VerbShape[]): string {
  const long = verbs.filter(({ name }) => name.includes(' ')).map(({ name }) => `'${name}'`)
  const short = verbs.filter(({ name }) => !name.includes(' ')).map(({ name }) => name)
  return `# Completes command lines of umlcow in bash. Made by "umlcow completion bash".
# Finds the place of the present word among those that are no options and no values of options.
_umlcow_place() {
  local i word
  place=1
  for ((i = $1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then
      ((i++))
    elif [[ $word != -* ]]; then
      ((place++))
    elif [[ $2 == *" $word "* && \${COMP_WORDS[i + 1]} != '=' ]]; then
      ((i++))
    fi
  done
}
_umlcow() {
  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} option=\${COMP_WORDS[COMP_CWORD - 1]}
  local verb=\${COMP_WORDS[1]} words= comma= before= given= place=
  COMPREPLY=()
  # Bash makes three words of --option=value.
  if [[ $cur == '=' ]]; then cur=; elif [[ $option == '=' ]]; then option=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if ((COMP_CWORD > 2)); then
    case "$verb \${COMP_WORDS[2]}" in ${long.join(' | ')}) verb+=" \${COMP_WORDS[2]}" ;; esac
  fi
  if ((COMP_CWORD == 1)); then
    words='${short.join(' ')}'
    [[ $cur == -* ]] && words='-h --help -V --version'
  else
    case $verb in
${verbs.map(verbCase).join('')}    esac
  fi
  if [[ $comma ]]; then
    before=\${cur%"\${cur##*,}"}
    cur=\${cur##*,}
    words=" $words "
    for given in \${before//,/ }; do words=\${words/" $given "/ }; done
  fi
  COMPREPLY=($(compgen -P "$before" -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _umlcow umlcow
`
}
