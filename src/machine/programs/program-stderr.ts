import { UmlcowError } from '../../errors.js'

/** What programs print, in English, when the host fails them: the words of glibc and of musl, in lower case. */
const hostFailures: readonly (readonly [words: string, code: string])[] = [
  ['no space left on device', 'ENOSPC'],
  ['quota exceeded', 'EDQUOT'],
  ['file too large', 'EFBIG'],
  ['input/output error', 'EIO'],
  ['i/o error', 'EIO'],
]

/** Keep this many characters: programs report the failure first. */
const keptLength = 4096

/** What a program of the host printed on standard error. */
export class Said {
  #text = ''

  readonly push = (chunk: Buffer): void => {
    if (this.#text.length < keptLength) this.#text += chunk.toString('latin1')
  }

  /**
   * Throw the failure of the host, such as a full disk, that made a program fail.
   *
   * @param status  as `runProgram` returns it
   * @throws        UmlcowError with the system's code, and `program` in its details
   */
  refuseHostFailure(what: string, program: string, status: number | string | false): void {
    if (status === 0) return
    const text = this.#text.toLowerCase()
    const found = hostFailures.find(([words]) => text.includes(words))
    const [words, code] = status === 'SIGXFSZ' ? ['file too large', 'EFBIG'] : (found ?? [])
    if (words === undefined || code === undefined) return
    throw new UmlcowError(code, `${what}: ${words}`, { details: { program } })
  }
}
