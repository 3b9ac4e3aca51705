import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { convert, copySparse, createFrom, merge, pack } from '../../src/index.js'
import { localHostFiles } from '../../src/machine/host-files.js'
import { openInput } from '../../src/overlays/open.js'
import { temporaryDirectory } from '../support/paths.js'

/** The host says that it has no bytes, and yet it can be read. */
const madeUp = '/proc/self/status'

const readers: [string, (from: string, to: string) => Promise<unknown>][] = [
  ['copy', (from, to) => copySparse(from, to)],
  ['pack', (from, to) => pack(to, [from])],
  ['convert', (from, to) => convert(from, to, { format: 'qcow2' })],
  ['merge', (from, to) => merge(from, to)],
  ['create --from', (from, to) => createFrom(to, from)],
]

test.each(readers)('%s takes no file of /proc for an empty one', async (_, read) => {
  const target = path.join(temporaryDirectory(), 'new')
  await expect(read(madeUp, target)).rejects.toMatchObject({
    code: 'NOT_A_FILE',
    message: expect.stringMatching(/^\/proc\/self\/status: has content, but the host says that its size is 0/),
    hint: 'copy it into a file first: "cat /proc/self/status > NEW"',
  })
  expect(existsSync(target)).toBe(false)
})

test('an empty file is a file, also one that grows meanwhile', async () => {
  const empty = path.join(temporaryDirectory(), 'empty')
  writeFileSync(empty, '')
  await (await openInput(localHostFiles, empty)).store.close()
  const growing = {
    ...localHostFiles,
    statOpen: (...store: Parameters<typeof localHostFiles.statOpen>) => {
      const facts = localHostFiles.statOpen(...store)
      if (facts.size === 0) writeFileSync(empty, 'more')
      return facts
    },
  }
  const { store } = await openInput(growing, empty)
  await store.close()
  expect(readFileSync(empty, 'latin1')).toBe('more')
})
