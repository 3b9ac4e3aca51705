import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { copyByCp, listExtents, reflinkFile } from '../../../src/machine/programs/copy-helpers.js'
import { type FileStore, openFileStore } from '../../../src/machine/stores/file-store.js'
import { fakePrograms } from '../../support/fake-programs.js'
import { temporaryDirectory } from '../../support/paths.js'

const { existing } = vi.hoisted(() => ({ existing: { hide: false } }))
vi.mock('node:fs', async (load) => {
  const real = await load<typeof import('node:fs')>()
  const promises = {
    ...real.promises,
    // Programs of the machine that runs the tests, which may have them or not.
    access: async (file: string, mode?: number) => {
      if (existing.hide && /^\/(usr\/)?(local\/)?s?bin\//.test(file)) throw new Error(`hidden: ${file}`)
      return real.promises.access(file, mode)
    },
  }
  return { ...real, promises, default: { ...real, promises } }
})

afterEach(() => {
  vi.unstubAllEnvs()
  existing.hide = false
})

const content = Buffer.alloc(10_000, 'content ')

/** A file to copy and an empty one, open. */
async function twoFiles(): Promise<{ from: FileStore; to: FileStore; path: string }> {
  const directory = temporaryDirectory()
  writeFileSync(path.join(directory, 'from'), content, { mode: 0o640 })
  const from = await openFileStore(path.join(directory, 'from'), 'read')
  const to = await openFileStore(path.join(directory, 'to'), 'createNew', { permissions: 0o600 })
  onTestFinished(async () => {
    await from.close()
    await to.close()
  })
  return { from, to, path: path.join(directory, 'to') }
}

const goodListing = `Filesystem type is: ef53
File size of /proc/self/fd/3 is 10000 (12288 blocks of 1 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..   12287: 40960..   53247:  12288:             last,eof
/proc/self/fd/3: 1 extent found`
const print = (text: string) => `cat <<'END'\n${text}\nEND`

/** A program that does as `script` says and has failed, as far as its caller can tell. */
const failing: Record<string, string> = {
  'that exits with a status': 'exit 3',
  'that is killed': 'kill -9 $$',
  'that has no interpreter': '',
}

function fake(name: string, script: string): string {
  const directory = fakePrograms({ [name]: script })
  if (script === '') writeFileSync(path.join(directory, name), '#!/no/such/interpreter\n')
  return directory
}

describe('copyByCp', () => {
  test('without a cp says no', async () => {
    existing.hide = true
    vi.stubEnv('PATH', temporaryDirectory())
    const { from, to } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(false)
  })

  test.each(Object.entries(failing))('with one %s says no', async (_what, script) => {
    fake('cp', script)
    const { from, to } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(false)
  })

  test.each([
    ['ENOSPC', "cp: error writing '/proc/self/fd/4': No space left on device"],
    ['ENOSPC', 'cp: No space left on device (os error 28)'],
    ['EDQUOT', "cp: error writing '/proc/self/fd/4': Disk quota exceeded"],
    ['EDQUOT', 'cp: write error: Quota exceeded'],
    ['EFBIG', "cp: failed to extend '/proc/self/fd/4': File too large"],
    ['EIO', "cp: error reading '/proc/self/fd/3': Input/output error"],
    ['EIO', 'cp: read error: I/O error'],
  ])('tells %s where cp says: %s', async (code, words) => {
    fake('cp', `echo "${words}" >&2; exit 1`)
    const { from, to } = await twoFiles()
    await expect(copyByCp(from, to, {})).rejects.toMatchObject({ code, details: { program: 'cp' } })
  })

  test('tells EFBIG of a cp that is killed at the limit for files', async () => {
    fake('cp', 'kill -XFSZ $$')
    const { from, to } = await twoFiles()
    await expect(copyByCp(from, to, {})).rejects.toMatchObject({ code: 'EFBIG' })
  })

  test('takes a copy of a cp that says so and ends well', async () => {
    fake('cp', 'cat <&3 >&4; echo "cp: preserving times: No space left on device" >&2')
    const { from, to } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(true)
  })

  test.each([
    ['short', 'head -c 9999 /proc/self/fd/3 > /proc/self/fd/4'],
    ['long', 'cat /proc/self/fd/3 /proc/self/fd/3 > /proc/self/fd/4'],
    ['empty', 'exit 0'],
  ])('with one that makes a copy that is too %s says no', async (_what, script) => {
    fake('cp', script)
    const { from, to } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(false)
  })

  test('gets no name of a file, but both files by descriptor, and English', async () => {
    const directory = fake('cp', 'printf "%s\\n" "$#" "$@" "$LC_ALL" > "$SAID"; cat <&3 >&4; cat; yes | head -100000')
    const said = path.join(directory, 'said')
    vi.stubEnv('SAID', said)
    const { from, to, path: copy } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(true)
    expect(readFileSync(said, 'utf8')).toBe('4\n--sparse=auto\n--reflink=auto\n/proc/self/fd/3\n/proc/self/fd/4\nC\n')
    expect(readFileSync(copy).equals(content)).toBe(true)
    expect(statSync(copy).mode & 0o777).toBe(0o600)
  })

  test('copies a file that has lost its name', async () => {
    fake('cp', 'cat "$3" > "$4"')
    const { from, to } = await twoFiles()
    expect(await copyByCp(from, to, {})).toBe(true)
    const back = Buffer.alloc(content.length)
    to.readNow(0, back)
    expect(back.equals(content)).toBe(true)
  })
})

describe('listExtents', () => {
  test('without a filefrag says nothing', async () => {
    existing.hide = true
    vi.stubEnv('PATH', temporaryDirectory())
    expect(await listExtents((await twoFiles()).from, undefined)).toBeNull()
  })

  test('takes what it prints', async () => {
    const directory = fake('filefrag', `printf '%s ' "$@" > "$SAID"; ${print(goodListing)}`)
    vi.stubEnv('SAID', path.join(directory, 'said'))
    expect([...((await listExtents((await twoFiles()).from, undefined)) ?? [])]).toEqual([0, 10_000])
    expect(readFileSync(path.join(directory, 'said'), 'utf8')).toBe('-v -s -b1 /proc/self/fd/3 ')
  })

  test.each([
    ...Object.entries(failing),
    ['that prints nothing', 'exit 0'],
    ['that prints a listing and fails', `${print(goodListing)}\nexit 1`],
    ['that prints a listing and complains', `echo 'something is odd' >&2; ${print(goodListing)}`],
    ['that prints a listing and more', `${print(goodListing)}; echo more`],
    ['that lists another file', print(goodListing.replace('10000', '10001'))],
    ['that prints bytes', 'head -c 3000000 /dev/urandom'],
    ['that prints one endless line', 'head -c 30000000 /dev/zero'],
    ['that prints lines', 'yes | head -1000000'],
  ])('with one %s says nothing', async (_what, script) => {
    fake('filefrag', script)
    expect(await listExtents((await twoFiles()).from, undefined)).toBeNull()
  })
})

test('listExtents tells EIO where filefrag says so', async () => {
  fake('filefrag', 'echo "/proc/self/fd/3: FIEMAP failed: Input/output error" >&2; exit 1')
  await expect(listExtents((await twoFiles()).from, undefined)).rejects.toMatchObject({ code: 'EIO' })
})

describe.each(['cp', 'filefrag'])('a %s that hangs', (name) => {
  const start = (files: { from: FileStore; to: FileStore }, signal: AbortSignal): Promise<unknown> =>
    name === 'cp' ? copyByCp(files.from, files.to, { signal }) : listExtents(files.from, signal)

  test('is stopped, and gone', async () => {
    const directory = fake(name, 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; exec sleep 600')
    const pidFile = path.join(directory, `${name}.pid`)
    const stop = new AbortController()
    const running = start(await twoFiles(), stop.signal)
    void running.catch(() => {})
    await vi.waitUntil(() => existsSync(pidFile), { timeout: 300_000, interval: 10 })
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const pid = Number(readFileSync(pidFile, 'utf8'))
    await vi.waitUntil(() => !existsSync(`/proc/${pid}`), { timeout: 300_000, interval: 10 })
  })

  test('is not waited for when the signal has fired before', async () => {
    fake(name, 'exec sleep 600')
    await expect(start(await twoFiles(), AbortSignal.abort())).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})

describe('reflinkFile', () => {
  test('says whether it worked, and copies nothing else', async () => {
    const { from, to, path: copy } = await twoFiles()
    const shared = await reflinkFile(from, to)
    expect(readFileSync(copy).length).toBe(shared ? content.length : 0)
    expect(existsSync(copy)).toBe(true)
  })

  const memory = '/dev/shm'
  const isOther = existsSync(memory) && statSync(memory).dev !== statSync(tmpdir()).dev
  test.skipIf(!isOther)('between two file systems says no, and leaves the file empty', async () => {
    const { from } = await twoFiles()
    const directory = mkdtempSync(path.join(memory, 'umlcow-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const to = await openFileStore(path.join(directory, 'to'), 'createNew')
    onTestFinished(() => to.close())
    expect(await reflinkFile(from, to)).toBe(false)
    expect(statSync(path.join(directory, 'to')).size).toBe(0)
  })
})
