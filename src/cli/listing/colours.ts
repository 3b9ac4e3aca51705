import type { ExtInode } from '../../formats/ext/index.js'

/** Writes a name in its colour. @param shown  the name as it is printed */
export type Painter = (name: Uint8Array, inode: ExtInode, shown: string) => string

// Without LS_COLORS, the colours of GNU ls.  Source: dircolors(1), dir_colors(5)
const defaults =
  'di=01;34:ln=01;36:pi=33:so=01;35:bd=01;33:cd=01;33:ex=01;32:su=37;41:sg=30;43:tw=30;42:ow=34;42:st=37;44'

/** Only these characters may stand in a colour: no other reaches the terminal. */
const colourCharacters = new Set('0123456789;:')

/** Make a painter from the value of LS_COLORS: `di=01;34:*.gz=01;31`. */
export function painterOf(text = ''): Painter {
  const colours = new Map<string, string>()
  const endings: (readonly [ending: string, colour: string])[] = []
  for (const [key, colour] of pairsOf(text === '' ? defaults : text)) {
    if (key.startsWith('*')) endings.push([key.slice(1).toLowerCase(), colour])
    else colours.set(key, colour)
  }
  // The last one that fits counts.
  endings.reverse()
  return (name, inode, shown) => {
    const key = kindOf(inode, colours)
    const colour = key === 'fi' ? (endingOf(name, endings) ?? colours.get('fi')) : colours.get(key)
    return colour === undefined || isPlain(colour) ? shown : `\x1b[${colour}m${shown}\x1b[0m`
  }
}

function pairsOf(text: string): [key: string, colour: string][] {
  return text.split(':').flatMap((pair) => {
    const at = pair.indexOf('=')
    const colour = pair.slice(at + 1)
    const isColour = at > 0 && colour !== '' && [...colour].every((character) => colourCharacters.has(character))
    return isColour ? [[pair.slice(0, at), colour]] : []
  })
}

function isPlain(colour: string): boolean {
  return colour === '0' || colour === '00'
}

const keys: Readonly<Record<string, string>> = {
  symlink: 'ln',
  fifo: 'pi',
  socket: 'so',
  block: 'bd',
  character: 'cd',
}

/** The key of LS_COLORS for a file. A key without a colour gives way to the next one. */
function kindOf({ type, mode, linkCount }: ExtInode, colours: ReadonlyMap<string, string>): string {
  const has = (bits: number) => (mode & bits) !== 0
  const isSet = (key: string) => !isPlain(colours.get(key) ?? '0')
  const first = (...wanted: (readonly [is: boolean, key: string])[]) =>
    wanted.find(([is, key]) => is && isSet(key))?.[1]
  if (type === 'file') {
    const isMany = linkCount > 1
    return first([has(0o4000), 'su'], [has(0o2000), 'sg'], [has(0o111), 'ex'], [isMany, 'mh']) ?? 'fi'
  }
  if (type !== 'directory') return keys[type ?? ''] ?? 'or'
  const isOpen = has(0o002)
  return first([has(0o1000) && isOpen, 'tw'], [isOpen, 'ow'], [has(0o1000), 'st']) ?? 'di'
}

function endingOf(name: Uint8Array, endings: readonly (readonly [string, string])[]): string | undefined {
  const text = Buffer.from(name).toString('latin1').toLowerCase()
  return endings.find(([ending]) => text.endsWith(ending))?.[1]
}
