import { expect } from 'vitest'
import { errorCodes, UmlcowError } from '../../src/errors.js'
import { randomNumbers } from './hostile.js'

/** Reads everything. */
export type Trial = (source: AsyncIterable<Uint8Array>) => Promise<unknown>

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** The code of the error, or null when all was read. An error without a code fails the test. */
export async function outcomeOf(trial: Trial, bytes: Uint8Array): Promise<string | null> {
  try {
    await trial(once(bytes))
    return null
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    expect(Object.keys(errorCodes)).toContain(error.code)
    expect(error.message.length).toBeLessThan(1000)
    return error.code
  }
}

const nastyTexts = [
  '0',
  '7',
  '-1',
  'FFFFFFFF',
  '7777777',
  '99999999999',
  '2147483648',
  '\0',
  '..',
  '../',
  '/',
  '\\',
  '"',
]

/** One to four changes anywhere. */
export function mutate(original: Uint8Array, random: (limit: number) => number): Buffer {
  const bytes = Buffer.from(original)
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(bytes.length)
    switch (random(4)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random(8))
        break
      case 1:
        bytes[at] = random(256)
        break
      case 2:
        bytes.write(nastyTexts[random(nastyTexts.length)]!, at, 'latin1')
        break
      default:
        bytes.copy(bytes, at, random(bytes.length), random(bytes.length) + 1)
    }
  }
  return bytes
}

/** Changed archives give a coded error or are read, soon and in little memory. `repair` may make checksums right. */
export async function expectHardened(
  trial: Trial,
  archive: Uint8Array,
  rounds: number,
  repair: (bytes: Buffer) => void = () => {},
): Promise<Map<string | null, number>> {
  const counts = new Map<string | null, number>()
  for (let seed = 1; seed <= rounds; seed++) {
    const bytes = mutate(archive, randomNumbers(seed))
    repair(bytes)
    const started = process.cpuUsage()
    const memory = process.memoryUsage().arrayBuffers
    const outcome = await outcomeOf(trial, bytes)
    expect(process.cpuUsage(started).user, `microseconds of seed ${seed}`).toBeLessThan(1e6)
    expect(process.memoryUsage().arrayBuffers - memory, `seed ${seed}`).toBeLessThan(32 * 2 ** 20)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  return counts
}
