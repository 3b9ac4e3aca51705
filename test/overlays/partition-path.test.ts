import { symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import { splitPartitionPath } from '../../src/overlays/partition-path.js'
import { temporaryDirectory } from '../support/paths.js'

test('IMAGE@N is an image and the number of a partition, unless a file has that name', async () => {
  const directory = temporaryDirectory()
  const image = path.join(directory, 'disk')
  for (const name of ['disk', 'user@1', 'disk@7', 'a@b']) writeFileSync(path.join(directory, name), '')
  symlinkSync('nowhere', path.join(directory, 'disk@8'))
  const whole = (name: string) => [name, { path: path.join(directory, name), partition: null }] as const
  const cases = [
    ['disk@1', { path: image, partition: 1 }],
    ['disk@0', { path: image, partition: 0 }],
    ['disk@00012', { path: image, partition: 12 }],
    ['user@1@2', { path: path.join(directory, 'user@1'), partition: 2 }],
    ['a@b@3', { path: path.join(directory, 'a@b'), partition: 3 }],
    ...['disk', 'user@1', 'disk@7', 'disk@8', 'a@b', 'disk@', 'disk@x', 'disk@1x', 'disk@-1', 'missing@1'].map(whole),
    whole('disk@123456'),
  ] as const
  for (const [name, expected] of cases) {
    expect(await splitPartitionPath(localHostFiles, path.join(directory, name))).toEqual(expected)
  }
  const bytes = Buffer.from(`${image}@3`)
  expect(await splitPartitionPath(localHostFiles, bytes)).toEqual({ path: Buffer.from(image), partition: 3 })
})
