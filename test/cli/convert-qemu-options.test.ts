import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'

function scene(): string {
  const cwd = temporaryDirectory()
  writeFileSync(path.join(cwd, 'raw'), Buffer.alloc(65_536, 'raw'))
  return cwd
}

it('convert accepts options of qemu-img that change nothing', () => {
  const cwd = scene()
  const run = (name: string, ...args: string[]) => {
    const outcome = umlcow(['convert', '-O', 'qcow2', ...args, 'raw', name], { cwd })
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    return readFileSync(path.join(cwd, name))
  }
  const plain = run('plain')
  expect(run('implied', '-o', 'compat=1.1', '-o', 'compression_type=zlib').equals(plain)).toBe(true)
  for (const mode of ['none', 'writeback', 'writethrough', 'directsync', 'unsafe']) {
    expect(run(mode, '-t', mode, '-T', mode).equals(plain)).toBe(true)
  }
  const small = run('small', '--cluster-size', '4K')
  expect(run('list', '-o', 'compat=1.1,cluster_size=4K,compression_type=zlib').equals(small)).toBe(true)
  expect(run('twice', '-o', 'cluster_size=4K', '-o', 'compat=1.1').equals(small)).toBe(true)
})

it('convert refuses other values of these options', () => {
  const cwd = scene()
  const wrong = ['-o compat=0.10', '-o compression_type=zstd', '-o compat', '-o compat=1.1,', '-t fast', '-T fast']
  for (const option of wrong) {
    const outcome = umlcow(['convert', '-O', 'qcow2', ...option.split(' '), 'raw', 'out'], { cwd })
    expect(outcome, option).toMatchObject({ status: 64 })
  }
})
