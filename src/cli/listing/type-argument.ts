import { InvalidArgumentError } from 'commander'
import type { EntryType } from '../../formats/manifest/index.js'

/** The letters of find(1). */
const typesByLetter: Readonly<Record<string, EntryType>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  c: 'character',
  b: 'block',
  p: 'fifo',
  s: 'socket',
}

export const typeLetters: readonly string[] = Object.keys(typesByLetter)

/** Types of files: letters, separated by commas. */
export function typeArgument(text: string, previous: readonly EntryType[] = []): readonly EntryType[] {
  const types = text.split(',').map((letter) => {
    const type = Object.hasOwn(typesByLetter, letter) ? typesByLetter[letter] : undefined
    if (type === undefined) throw new InvalidArgumentError(`"${letter}" is none of ${typeLetters.join(', ')}.`)
    return type
  })
  return [...previous, ...types]
}
