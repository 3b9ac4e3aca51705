import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { assertMkfsAvailable, runMkfs } from '../../../src/machine/programs/mkfs.js'
import { temporaryDirectory } from '../../support/paths.js'

/** No machine has a program to make this file system. */
const strange = 'umlcow-none'

afterEach(() => vi.unstubAllEnvs())

/** Puts a program mkfs.<strange> on the PATH: a script of sh. */
function withProgram(script: string): string {
  const directory = temporaryDirectory()
  const program = path.join(directory, `mkfs.${strange}`)
  writeFileSync(program, `#!/bin/sh\n${script}\n`)
  chmodSync(program, 0o755)
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`)
  return directory
}

describe('the name of a file system', () => {
  test.each(['', '../ext4', 'ext4 -F', 'a/b', 'EXT4', 'ext4;id', 'é', '-\n', 'ext4\0'])(
    '%j is refused',
    async (fsType) => {
      await expect(assertMkfsAvailable(fsType)).rejects.toMatchObject({ code: 'USAGE' })
      await expect(runMkfs(fsType, Buffer.from('/none'), undefined)).rejects.toMatchObject({ code: 'USAGE' })
    },
  )

  test.each([strange, 'constructor', '__proto__', 'tostring'])('%j is no program here', async (fsType) => {
    await expect(assertMkfsAvailable(fsType)).rejects.toMatchObject({
      code: 'HELPER_MISSING',
      message: `mkfs.${fsType}: no such program on this machine`,
    })
  })

  const absent = ['f2fs', 'btrfs', 'xfs', 'vfat'].find((fsType) => {
    return !['/usr/local/sbin', '/usr/sbin', '/sbin'].some((place) => existsSync(`${place}/mkfs.${fsType}`))
  })
  test.skipIf(absent === undefined)('that Debian has comes with the package to install', async () => {
    vi.stubEnv('PATH', temporaryDirectory())
    await expect(assertMkfsAvailable(String(absent))).rejects.toMatchObject({
      code: 'HELPER_MISSING',
      hint: expect.stringMatching(/^on Debian: apt install (f2fs-tools|btrfs-progs|xfsprogs|dosfstools)$/),
    })
  })
})

describe('the program', () => {
  test('is looked for on the PATH, in absolute directories only, and has to be executable', async () => {
    const directory = withProgram('exit 0')
    await assertMkfsAvailable(strange)
    chmodSync(path.join(directory, `mkfs.${strange}`), 0o644)
    await expect(assertMkfsAvailable(strange)).rejects.toMatchObject({ code: 'HELPER_MISSING' })
    chmodSync(path.join(directory, `mkfs.${strange}`), 0o755)
    vi.stubEnv('PATH', path.relative(process.cwd(), directory))
    await expect(assertMkfsAvailable(strange)).rejects.toMatchObject({ code: 'HELPER_MISSING' })
  })

  test('that is a directory is none', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, `mkfs.${strange}`))
    vi.stubEnv('PATH', directory)
    await expect(assertMkfsAvailable(strange)).rejects.toMatchObject({ code: 'HELPER_MISSING' })
  })

  test('gets the absolute path of the image as its one word, whatever it holds', async () => {
    const directory = temporaryDirectory()
    const said = path.join(directory, 'said')
    withProgram(`printf '%s\\n' "$#" "$@" "$LC_ALL" > '${said}'; exec cat`)
    const image = path.join(directory, "-a 'b' $(id);*")
    await runMkfs(strange, Buffer.from(image), undefined)
    expect(readFileSync(said, 'utf8')).toBe(`1\n${image}\nC\n`)
    await runMkfs(strange, Buffer.from('-relative'), undefined)
    expect(readFileSync(said, 'utf8')).toBe(`1\n${path.resolve('-relative')}\nC\n`)
  })

  test('that fails is quoted, escaped, on one line and not without end', async () => {
    withProgram("echo one; printf 'two \\033[31m\\n' >&2; exit 3")
    const failed = runMkfs(strange, Buffer.from('/none'), undefined)
    await expect(failed).rejects.toMatchObject({
      code: 'HELPER_FAILED',
      details: { program: `mkfs.${strange}`, status: 3 },
      message: expect.stringMatching(/^mkfs\.umlcow-none: failed with status 3: \P{Cc}*$/u),
    })
    await expect(failed).rejects.toThrow(/one/)
    await expect(failed).rejects.toThrow(/two \\x1b\[31m/)
    withProgram('head -c 1000000 /dev/zero | tr "\\0" x; exit 1')
    const endless = await runMkfs(strange, Buffer.from('/none'), undefined).catch((error: Error) => error.message)
    expect(endless?.length).toBeGreaterThan(1000)
    expect(endless?.length).toBeLessThan(5000)
  })

  test('that is killed has failed', async () => {
    withProgram('kill -9 $$')
    const failed = runMkfs(strange, Buffer.from('/none'), undefined)
    await expect(failed).rejects.toMatchObject({ code: 'HELPER_FAILED', details: { status: 'SIGKILL' } })
  })

  test('that cannot be run has failed', async () => {
    const directory = withProgram('')
    writeFileSync(path.join(directory, `mkfs.${strange}`), '#!/no/such/interpreter\n')
    const failed = runMkfs(strange, Buffer.from('/none'), undefined)
    await expect(failed).rejects.toMatchObject({ code: 'HELPER_FAILED' })
  })

  test('is stopped by a signal', async () => {
    const directory = withProgram('touch "$0.runs"; exec sleep 600')
    const stop = new AbortController()
    const running = runMkfs(strange, Buffer.from('/none'), stop.signal)
    void running.catch(() => {})
    const runs = path.join(directory, `mkfs.${strange}.runs`)
    await vi.waitUntil(() => existsSync(runs), { timeout: 300_000, interval: 10 })
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' })
    await expect(runMkfs(strange, Buffer.from('/none'), AbortSignal.abort())).rejects.toMatchObject({
      code: 'INTERRUPTED',
    })
  })
})
