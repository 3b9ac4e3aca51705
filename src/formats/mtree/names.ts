import { archiveError } from '../manifest/archive-error.js'
import type { EntryType } from '../manifest/entry.js'
import { maxPathLength, safePath } from '../manifest/path.js'
import { type MtreeDirectories, type MtreeLocation, topDirectory } from './directories.js'
import { type MtreePlace, mtreeError, shownWord } from './error.js'
import { hasSlash, unescapeName } from './text.js'

/**
 * Makes paths from the first words of lines. A name with a slash is a path from the top. Any other name lies in the
 * current directory, and the name of a directory enters it.
 */
export class MtreeNames {
  private readonly directories: MtreeDirectories
  /** The directories that the lines have entered and not left. The last one is the current one. */
  private readonly entered: number[] = [topDirectory]

  constructor(directories: MtreeDirectories) {
    this.directories = directories
  }

  /**
   * Find the place of a name.
   *
   * @param typeOf  finds the type of a name in the current directory
   * @throws        UmlcowError BAD_ARCHIVE for an unknown escape, UNSAFE_PATH
   */
  enter(word: Uint8Array, place: MtreePlace, typeOf: (path: () => Uint8Array) => EntryType): MtreeLocation {
    const { directories, entered } = this
    const name = unescapeName(word)
    if (name === null) throw mtreeError('BAD_ARCHIVE', place, `cannot read the name ${shownWord(word)}: unknown escape`)
    // Only an unescaped slash makes a path from the top. An escaped one still separates the components.
    const isFull = hasSlash(word)
    const location = directories.locate(isFull ? topDirectory : entered.at(-1)!, safePath(name, place.name, place))
    const length = directories.lengthOf(location)
    if (length > maxPathLength) throw tooLong(length, place)
    const isEntered = !isFull && (length === 0 || typeOf(() => directories.pathOf(location)) === 'directory')
    if (isEntered) entered.push(directories.numberOf(location))
    return location
  }

  /** Go up to the directory above, as the line `..` says. */
  leave(place: MtreePlace): void {
    if (this.entered.length === 1) throw mtreeError('BAD_ARCHIVE', place, '".." leads above the top')
    this.entered.pop()
  }
}

function tooLong(length: number, { name, line }: MtreePlace) {
  return archiveError('UNSAFE_PATH', name, `a path of ${length} bytes`, { line })
}
