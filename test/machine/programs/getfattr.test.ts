import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { findAttributes } from '../../../src/machine/programs/getfattr.js'
import { fakePrograms } from '../../support/fake-programs.js'
import { scratchDirectory } from '../../support/humfs-tree.js'

afterEach(() => vi.unstubAllEnvs())

/** What a script of sh in the place of getfattr leads to. */
async function found(script: string, directory = scratchDirectory(), signal?: AbortSignal) {
  fakePrograms({ getfattr: script })
  const files: string[] = []
  const onFile = (file: Buffer) => void files.push(file.toString('latin1'))
  return { end: await findAttributes(directory, onFile, signal), files }
}

const one = "printf '# file: %s/f\\nuser.a=0x01\\n\\n' /proc/self/fd/3/."

describe('a search for extended attributes', () => {
  it('gets the open directory, so that a name cannot be an option, and follows no links', async () => {
    const top = scratchDirectory()
    const odd = path.join(top, '-R\n\xe9')
    fs.mkdirSync(odd)
    fs.writeFileSync(path.join(odd, 'in it'), '')
    const last = 'for last; do :; done'
    const print = `printf '# file: %s/%s\\nuser.a=0x01\\n\\n' "$last" "$(ls "$last")"`
    const script = `${last}; ${print}; echo "$*" > '${top}/args'`
    expect(await found(script, odd)).toEqual({ end: 'complete', files: ['in it'] })
    expect(fs.readFileSync(path.join(top, 'args'), 'utf8')).toContain('-R -P -h ')
  })

  it('is complete where a file system has no attributes at all: nothing can be lost there', async () => {
    const script = `${one}; echo 'getfattr: /proc/self/fd/3/./x: Operation not supported' >&2; exit 1`
    expect(await found(script)).toEqual({ end: 'complete', files: ['f'] })
  })

  it.each([
    [
      'a file that could not be looked at',
      `${one}; echo 'getfattr: /proc/self/fd/3/./d/\\033x: Permission denied' >&2; exit 1`,
      expect.stringMatching(/^getfattr: d\/.*x: Permission denied$/),
    ],
    ['other output', 'echo nonsense', 'getfattr printed lines that umlcow cannot read'],
    ['an end in the middle', `${one}; printf '# file: /proc/self/fd/3/./g\\nuser'`, expect.stringContaining('printed')],
    ['a signal', 'kill -KILL $$', 'getfattr was ended by SIGKILL'],
  ])('is not complete after %s', async (_, script, incomplete) => {
    expect((await found(script)).end).toEqual({ incomplete })
  })

  it('is not complete in a directory that is gone, and says no more: the reading reports it', async () => {
    expect((await found(one, path.join(scratchDirectory(), 'gone'))).end).toEqual({
      incomplete: expect.stringContaining('gone'),
    })
  })

  it('ends with the signal', async () => {
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 50)
    await expect(found('exec sleep 600', scratchDirectory(), stop.signal)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    })
  })

  it('passes on a failure of the one who asked, which is a defect', async () => {
    fakePrograms({ getfattr: one })
    const onFile = () => {
      throw new TypeError('defect')
    }
    await expect(findAttributes(scratchDirectory(), onFile, undefined)).rejects.toThrow('defect')
  })
})
