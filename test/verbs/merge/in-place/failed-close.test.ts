import './quick.js'
import { describe, expect, test } from 'vitest'
import type { HostFiles } from '../../../../src/machine/host-files.js'
import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { resumeBySteps } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { injected } from '../../../support/hooked-files.js'
import { countedFiles } from './mishaps.js'
import { makeScene } from './scene.js'

/** Files that fail to close, once opened for writing. As the system has it, they are closed all the same. */
function unclosable(files: HostFiles): HostFiles {
  return {
    ...files,
    async open(path, access, options) {
      const store = await files.open(path, access, options)
      if (access !== 'readWrite') return store
      return Object.assign(Object.create(store), {
        async close() {
          await store.close()
          throw injected('EIO')
        },
      })
    },
  }
}

const stop = { name: 'stop', invariant: '', run: () => Promise.reject(injected('ENOSPC')) }

describe('a merge whose files fail to close', () => {
  test('leaves nothing open and nothing locked', async () => {
    const { disk, paths } = await makeScene({ seed: 1 })
    const counted = countedFiles(disk.files)
    const files = unclosable(counted.files)
    await expect(mergeBySteps(paths.get('O')!, { files }, protocol)).rejects.toMatchObject({ code: 'EIO' })
    expect(counted.open()).toBe(0)
  })

  test('leaves nothing open and nothing locked when it is resumed', async () => {
    const { disk, paths } = await makeScene({ seed: 1 })
    const overlay = paths.get('O')!
    const begun = mergeBySteps(overlay, { files: disk.files }, [...protocol.slice(0, 7), stop])
    await expect(begun).rejects.toMatchObject({ code: 'ENOSPC', details: { unfinished: true } })
    const counted = countedFiles(disk.files)
    const files = unclosable(counted.files)
    await expect(resumeBySteps(overlay, { files, force: ['journal'] }, protocol)).rejects.toMatchObject({ code: 'EIO' })
    expect(counted.open()).toBe(0)
  })
})
