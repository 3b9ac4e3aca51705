import { UmlcowError } from '../errors.js'
import type { Verb } from './verb.js'
import { actionsOf } from './verb-groups.js'

type FindVerb = (name: string) => Verb | undefined

/**
 * Write `help VERB [ACTION]` as the command line with `--help` that prints this help. Commander would print it without
 * the options, because they are not loaded yet.
 *
 * @returns  the same words when they ask for no help in this way, or for a verb that does not exist
 * @throws   UmlcowError USAGE for an action that the verb does not have
 */
export function helpWords(words: readonly string[], findVerb: FindVerb): readonly string[] {
  const [first = '', second = '', ...more] = words
  // `humfs help export`: no verb has an action of that name.
  if (second === 'help' && actionsOf(findVerb(first)).length > 0) return helpWords(['help', first, ...more], findVerb)
  if (first !== 'help') return words
  if (words.length === 1) return ['--help']
  if (isHelpOption(second)) return words
  const verb = findVerb(second)
  return verb === undefined ? words.slice(1) : [verb.name, ...actionWords(verb, more), '--help']
}

function isHelpOption(word: string): boolean {
  return word === '--help' || word === '-h'
}

/** The words of an action that has a help of its own. */
function actionWords(verb: Verb, [word, ...more]: readonly string[]): string[] {
  if (word === undefined || isHelpOption(word)) return []
  const known = actionsOf(verb)
  const foreign = known.includes(word) ? more[0] : word
  if (foreign !== undefined) {
    const list = known.length === 0 ? '' : `; its actions are ${known.join(', ')}`
    throw new UmlcowError('USAGE', `help: "${foreign}" is no action of ${verb.name}${list}`, {
      hint: `umlcow ${verb.name} --help`,
    })
  }
  return verb.actions?.some(({ name }) => name === word) ? [word] : []
}
