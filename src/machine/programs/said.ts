import { UmlcowError } from '../../errors.js'

/** What programs say, in English, when the host fails them: the words of glibc and of musl, in lower case. */
const hostFailures: readonly (readonly [words: string, code: string])[] = [
  ['no space left on device', 'ENOSPC'],
  ['quota exceeded', 'EDQUOT'],
  ['file too large', 'EFBIG'],
  ['input/output error', 'EIO'],
  ['i/o error', 'EIO'],
]

/** Characters that are kept: what fails is said first. */
const keptLength = 4096

/** What a program of the host said on standard error. */
export class Said {
  #text = ''

  readonly push = (chunk: Buffer): void => {
    if (this.#text.length < keptLength) this.#text += chunk.toString('latin1')
  }

  /**
   * @param status  as `runProgram` returns it
   * @throws        UmlcowError with the system's code, and `program` in its details, when a full disk or the like is why
   *                the program failed
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
