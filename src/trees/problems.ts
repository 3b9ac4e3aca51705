import { printablePath } from '../bytes/escape.js'
import { type ErrorCode, UmlcowError } from '../errors.js'

/** List at most this many: a tree of a million bad names must not fill the memory. */
const mostTold = 1000

/** Collects problems, so that one error can report all of them. */
export interface Problems {
  readonly count: number
  add(path: Buffer, message: string): void
  /** Adds an error that a call threw. Errors other than UmlcowError are defects of umlcow, so it throws them again. */
  addError(path: Buffer, error: unknown): void
  addText(message: string): void
  /** @throws UmlcowError with all problems, if there are any */
  refuse(code: ErrorCode, hint?: string): void
}

/** Start a list of problems. @param place  the printable name of the directory that paths are relative to: `data` */
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
