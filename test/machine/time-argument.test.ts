import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { localTreeReader } from '../../src/trees/host/tree-reader.js'
import { localTreeWriter } from '../../src/trees/host/tree-writer.js'
import { scratchDirectory } from '../support/humfs-tree.js'

const times: [bigint, bigint][] = [
  [-1n, -1_000n],
  [-1_000n, -1_000n],
  [-1_999_999n, -2_000_000n],
  [-304_815_477_654_321_000n, -304_815_477_654_321_000n],
  [-2_147_483_648_000_000_000n, -2_147_483_648_000_000_000n],
  [0n, 0n],
  [999n, 0n],
  [1_577_836_800_000_001_999n, 1_577_836_800_000_001_000n],
]

const mtimeOf = (file: string) => fs.lstatSync(file, { bigint: true }).mtimeNs

it.each(times)('the time %d ns, before 1970 too, is set to the microsecond', (mtimeNs, expected) => {
  const top = scratchDirectory()
  const [file, link, copy] = ['file', 'link', 'copy'].map((name) => path.join(top, name)) as [string, string, string]
  const made = localTreeWriter.createFile(file, 0o600)
  made.complete(0o644, null, mtimeNs)
  made.close()
  localTreeWriter.makeLink(Buffer.from('nowhere'), link)
  localTreeWriter.setMtime(link, mtimeNs)
  expect([mtimeOf(file), mtimeOf(link)]).toEqual([expected, expected])
  fs.writeFileSync(copy, '')
  localTreeWriter.setTimes(copy, localTreeReader.lstat(file))
  expect(mtimeOf(copy)).toBe(expected)
})
