import { printablePath } from '../bytes/escape.js'
import { type ErrorCode, UmlcowError } from '../errors.js'

/** So many are told one by one; a tree of a million bad names must not fill the memory. */
const mostTold = 1000

/** What speaks against something, all of it. */
export interface Problems {
  readonly count: number
  add(path: Buffer, message: string): void
  /** What a call threw. Only failures of the system and of formats are problems of a name. */
  addError(path: Buffer, error: unknown): void
  addText(message: string): void
  /** @throws UmlcowError with all of it, when there is any */
  refuse(code: ErrorCode, hint?: string): void
}

/** @param place  what the paths are relative to, as people call it: `data` */
export function createProblems(place: string): Problems {
  const told: string[] = []
  let count = 0
  const addText = (message: string) => {
    count++
    if (told.length < mostTold) told.push(message)
  }
  const nameOf = (path: Buffer) => (path.length === 0 ? place : `${place}/${printablePath(path)}`)
  return {
    get count() {
      return count
    },
    addText,
    add: (path, message) => addText(`${nameOf(path)}: ${message}`),
    addError(path, error) {
      if (!(error instanceof UmlcowError)) throw error
      addText(`${nameOf(path)}: ${error.message}`)
    },
    refuse(code, hint) {
      if (count === 0) return
      const more = count - told.length
      const lines = more === 0 ? told : [...told, `and ${more} more`]
      throw new UmlcowError(code, lines.join('\n'), { details: { findings: lines, count }, hint })
    },
  }
}
