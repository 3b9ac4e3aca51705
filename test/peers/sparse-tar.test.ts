import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ManifestItem } from '../../src/formats/manifest/index.js'
import { readTar, writeTar } from '../../src/formats/tar/index.js'
import { importHumfs } from '../../src/index.js'
import { collect, cut, entry } from '../support/manifest-entries.js'
import { havePeers } from '../support/peers.js'

// Files with holes, from GNU tar and bsdtar to umlcow and back.

const [tar, bsdtar] = ['/usr/bin/tar', '/usr/bin/bsdtar'] as const
const sizes = { hole: 70_000, many: 400_001, end: 9_000_000, dense: 5000, empty: 0 }

function run(command: string, args: string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  expect(stderr).toBe('')
  expect(status).toBe(0)
}

/** Files whose stretches lie on blocks of the file system, as all that these programs find. */
function writeFiles(top: string): void {
  for (const [name, size] of Object.entries(sizes)) {
    const fd = fs.openSync(path.join(top, name), 'w')
    fs.ftruncateSync(fd, size)
    if (name === 'many') for (let at = 0; at < size; at += 8192) fs.writeSync(fd, `stretch ${at}`, at)
    if (name === 'end') fs.writeSync(fd, 'last', size - 4)
    if (name === 'dense') fs.writeSync(fd, Buffer.alloc(size, 'x'), 0)
    fs.closeSync(fd)
  }
}

const blocksOf = (file: string) => fs.statSync(file).blocks
const names = Object.keys(sizes)

describe.runIf(havePeers(tar, bsdtar))('files with holes', () => {
  let top: string
  beforeAll(() => {
    top = fs.mkdtempSync(path.join(tmpdir(), 'umlcow-test-'))
    fs.mkdirSync(path.join(top, 'in'))
    writeFiles(path.join(top, 'in'))
  })
  afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

  const forms: [string, string, string[]][] = [
    ['old GNU', tar, ['--format=gnu']],
    ['pax 0.0', tar, ['--format=posix', '--sparse-version=0.0']],
    ['pax 0.1', tar, ['--format=posix', '--sparse-version=0.1']],
    ['pax 1.0', tar, ['--format=posix', '--sparse-version=1.0']],
    ['bsdtar', bsdtar, []],
  ]
  it.each(forms)('are read as they are, and imported with their holes: %s', async (form, program, options) => {
    const archive = path.join(top, `${form}.tar`)
    run(program, ['-cS', ...options, '-f', archive, '-C', path.join(top, 'in'), ...names], top)
    let sparse = 0
    for await (const item of readTar(cut(fs.readFileSync(archive), 10_000))) {
      const file = path.join(top, 'in', item.entry.path.toString())
      if (item.content?.sparse !== undefined) sparse++
      expect((await collect(item.content!)).equals(fs.readFileSync(file)), file).toBe(true)
    }
    expect(sparse).toBe(3)
    const tree = path.join(top, `${form} tree`)
    await importHumfs(archive, tree, { from: 'tar', noSync: true })
    for (const name of names) {
      const [made, file] = [path.join(tree, 'data', name), path.join(top, 'in', name)]
      expect(fs.readFileSync(made).equals(fs.readFileSync(file)), name).toBe(true)
      expect(blocksOf(made), name).toBeLessThanOrEqual(blocksOf(file))
    }
  })

  it.each([tar, bsdtar])('that umlcow writes are read by %s', async (program) => {
    const out = path.join(top, path.basename(program))
    fs.mkdirSync(out)
    async function* items(): AsyncGenerator<ManifestItem> {
      for (const name of names) {
        const whole = fs.readFileSync(path.join(top, 'in', name))
        const stretches = Float64Array.from(
          name === 'many'
            ? Array.from({ length: 49 }, (_, i) => [i * 8192, Math.min(i * 8192 + 4096, whole.length)]).flat()
            : name === 'end'
              ? [whole.length - 4, whole.length]
              : name === 'dense'
                ? [0, 5000]
                : [],
        )
        const parts: Buffer[] = []
        for (let i = 0; i < stretches.length; i += 2) parts.push(whole.subarray(stretches[i]!, stretches[i + 1]!))
        const content = Object.assign(cut(whole, 1000), {
          sparse: { stretches, data: cut(Buffer.concat(parts), 1000) },
        })
        yield { entry: entry(name, { size: whole.length, mtimeNs: 1_600_000_000_123_456_789n }), content }
      }
    }
    const archive = path.join(out, 'x.tar')
    fs.writeFileSync(archive, await collect(writeTar(items())))
    run(program, ['-xf', archive, '-C', out], top)
    for (const name of names) {
      const [made, file] = [path.join(out, name), path.join(top, 'in', name)]
      expect(fs.readFileSync(made).equals(fs.readFileSync(file)), name).toBe(true)
      expect(blocksOf(made), name).toBeLessThanOrEqual(blocksOf(file))
      expect(fs.statSync(made, { bigint: true }).mtimeNs).toBe(1_600_000_000_123_456_789n)
    }
  })
})
