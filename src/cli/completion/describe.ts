import { type Argument, Command, type Option } from 'commander'
import type { CliContext } from '../context.js'
import { RichOption } from '../options.js'
import type { Verb } from '../verb.js'
import { actionsOf, type VerbGroup } from '../verb-groups.js'

/** What a shell can offer as the value of an option or as an argument. */
export interface Value {
  readonly name: string
  readonly kind: 'words' | 'after' | 'file' | 'directory' | 'user' | 'group' | 'other'
  /** Of the kind `words`. */
  readonly words: readonly string[]
  /** Of the kind `after`: the words that may follow a word. */
  readonly after: readonly (readonly [word: string, words: readonly string[]])[]
  /** It is an argument that can be repeated. */
  readonly isList: boolean
}

export interface OptionShape {
  /** As they are typed: `-b` and `--backing`, or one of them. */
  readonly names: readonly string[]
  readonly meaning: string
  readonly repeats: RichOption['repeats']
  /** Null for an option without a value. */
  readonly value: Value | null
}

/** A verb, or an action with options of its own, as shells complete it. */
export interface VerbShape {
  /** As it is typed: `merge`, `humfs export`. */
  readonly name: string
  readonly summary: string
  readonly options: readonly OptionShape[]
  readonly arguments: readonly Value[]
}

const kindsByName: Readonly<Record<string, Value['kind']>> = {
  file: 'file',
  new: 'file',
  cow: 'file',
  target: 'file',
  output: 'file',
  input: 'file',
  backing: 'file',
  dir: 'directory',
  jail: 'directory',
  user: 'user',
  group: 'group',
}

function valueNamed(name: string, words: readonly string[], isList = false): Value {
  return { name, words, kind: words.length > 0 ? 'words' : (kindsByName[name] ?? 'other'), after: [], isList }
}

/** Names of options that take a value. */
export function optionsWithValue({ options }: VerbShape): readonly string[] {
  return options.filter(({ value }) => value !== null).flatMap(({ names }) => names)
}

/** Describe all verbs from the descriptions that their help is made of. */
export async function describeVerbs(groups: readonly VerbGroup[], context: CliContext): Promise<VerbShape[]> {
  const verbs = groups.flatMap((group) => group.verbs)
  const shapes: VerbShape[] = []
  for (const verb of verbs) {
    const shape = await describeVerb(verb.name, verb, context, { action: actionsOf(verb) })
    shapes.push(verb.name === 'help' ? { ...shape, arguments: argumentsOfHelp(verbs) } : shape)
    for (const action of verb.actions ?? []) {
      shapes.push(await describeVerb(`${verb.name} ${action.name}`, action, context, {}))
    }
  }
  return shapes
}

function argumentsOfHelp(verbs: readonly Verb[]): readonly Value[] {
  const after = verbs.map((verb) => [verb.name, actionsOf(verb)] as const).filter(([, actions]) => actions.length > 0)
  const names = verbs.map(({ name }) => name)
  return [valueNamed('verb', names), { ...valueNamed('action', []), kind: 'after', after }]
}

async function describeVerb(
  name: string,
  verb: Verb,
  context: CliContext,
  words: Readonly<Record<string, readonly string[]>>,
): Promise<VerbShape> {
  const command = new Command(name).helpOption('-h, --help', 'print help')
  const configure = await verb.load()
  configure(command, context, () => {})
  const options = command.createHelp().visibleOptions(command).map(describeOption)
  const wordsOf = (argument: Argument) => argument.argChoices ?? words[argument.name()] ?? []
  const values = command.registeredArguments.map((one) => valueNamed(one.name(), wordsOf(one), one.variadic))
  return { name, summary: verb.summary, options, arguments: values }
}

function describeOption(option: Option): OptionShape {
  const { words, repeats } = option instanceof RichOption ? option : ({ words: [], repeats: 'no' } as const)
  const [meaning = ''] = option.description.split('; ')
  const names = [option.short, option.long].filter((name) => name !== undefined)
  return {
    names,
    meaning,
    repeats,
    value: option.required ? valueNamed(metavariable(option), choices(option, words)) : null,
  }
}

function choices(option: Option, words: readonly string[]): readonly string[] {
  return option.argChoices ?? words
}

/** `file` of `-b, --backing <file>`. */
function metavariable({ flags }: Option): string {
  return flags.slice(flags.indexOf('<') + 1, flags.indexOf('>'))
}
