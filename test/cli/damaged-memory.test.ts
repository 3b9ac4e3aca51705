import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { convert, pack } from '../../src/index.js'
import { amount, diceFor, tally } from '../support/amount.js'
import { measuredUmlcow } from '../support/command.js'
import { makePackScene } from '../verbs/pack/scene.js'

// Damaged packs and qcow2 images in a process of their own, so that its memory can be measured.

const limit = 256 * 2 ** 20
/** Where most of the numbers are: headers and tables. */
const start = 4096

it('takes bounded memory, whatever is damaged', async () => {
  const scene = makePackScene()
  const at = (name: string) => path.join(scene.directory, name)
  await pack(at('lz4'), [scene.cow], { noSync: true })
  await pack(at('none'), [scene.cow], { noSync: true, compression: 'none' })
  await convert(scene.cow, at('qcow2'), { noSync: true, format: 'qcow2' })
  const trials: [string, (file: string) => string[]][] = [
    ['lz4', (file) => ['unpack', '--verify', file]],
    ['none', (file) => ['unpack', '--verify', file]],
    ['qcow2', (file) => ['convert', '-f', 'qcow2', '-O', 'raw', '--overwrite', file, at('raw')]],
    ['qcow2', (file) => ['check', file]],
  ]
  const rounds = amount({ quick: 1, deep: 500 })
  for (let round = 0; round < rounds; round++) {
    const dice = diceFor(`memory for damaged files ${round}`)
    for (const [name, command] of amount({ quick: [dice.pick(trials)], deep: trials })) {
      const bytes = readFileSync(at(name))
      for (let i = 0; i <= dice.below(4); i++) {
        const place = dice.below(2) === 0 ? dice.below(Math.min(start, bytes.length)) : dice.below(bytes.length)
        bytes.fill(dice.pick([0, 1, 0x7f, 0x80, 0xff]), place, place + 1 + dice.below(8))
      }
      writeFileSync(at('damaged'), bytes)
      const { status, signal, stderr, peakBytes } = measuredUmlcow(command(at('damaged')))
      const where = `round ${round}: ${name}: ${stderr}`
      expect([signal, [0, 1, 2, 3, 4, 63].includes(status!)], where).toEqual([null, true])
      expect(stderr, where).not.toContain('this is a defect')
      expect(peakBytes, where).toBeLessThan(limit)
    }
  }
  tally('damaged files whose memory was measured', rounds)
})
