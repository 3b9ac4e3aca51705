import { type Argument, Command, type Option } from 'commander'
import type { CliContext } from '../context.js'
import { RichOption } from '../options.js'
import type { Verb } from '../verb.js'
import { actionsOf, type VerbGroup } from '../verb-groups.js'

/** What a shell can offer as the value of an option or as an argument. */
export interface Value {
  readonly name: string
  readonly kind: 'words' | 'file' | 'directory' | 'user' | 'group' | 'other'
  /** Of the kind `words`. */
  readonly words: readonly string[]
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

function valueNamed(name: string, words: readonly string[]): Value {
  return { name, words, kind: words.length > 0 ? 'words' : (kindsByName[name] ?? 'other') }
}

/** Describe all verbs from the descriptions that their help is made of. */
export async function describeVerbs(groups: readonly VerbGroup[], context: CliContext): Promise<VerbShape[]> {
  const verbs = groups.flatMap((group) => group.verbs)
  const shapes: VerbShape[] = []
  for (const verb of verbs) {
    const words = { action: actionsOf(verb), verb: verb.name === 'help' ? verbs.map(({ name }) => name) : [] }
    shapes.push(await describeVerb(verb.name, verb, context, words))
    for (const action of verb.actions ?? []) {
      shapes.push(await describeVerb(`${verb.name} ${action.name}`, action, context, {}))
    }
  }
  return shapes
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
  const values = command.registeredArguments.map((one) => valueNamed(one.name(), wordsOf(one)))
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
