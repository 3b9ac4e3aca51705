import { chmodSync, fchmodSync, fstatSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { type HostFiles, localHostFiles } from '../../../src/machine/host-files.js'
import { merge } from '../../../src/verbs/merge/index.js'
import { makeScene } from '../../cli/scene.js'
import { sampleOf } from '../../support/amount.js'
import { hookedFiles } from '../../support/hooked-files.js'

const modes = [0o444, 0o600, 0o640, 0o644, 0o666, 0o4755]
const pairs = modes.flatMap((overlay) => modes.map((backing) => [overlay, backing] as const))

/** As the real one: Node's copyFile gives the new file the permissions of the old one. */
function reflinkThen(look: () => void): HostFiles['reflink'] {
  return async (from, to) => {
    fchmodSync(to.fd, fstatSync(from.fd).mode & 0o7777)
    look()
    const bytes = readFileSync(`/proc/self/fd/${from.fd}`)
    // Not by a name: its permissions may let nobody write.
    for (let done = 0; done < bytes.length; ) done += writeSync(to.fd, bytes, done, bytes.length - done, done)
    look()
    return true
  }
}

it.each(['auto', 'reflink', 'read'] as const)(
  'nobody may read the new file who may not read both inputs, at any time: %s',
  async (copier) => {
    const scene = makeScene()
    for (const [overlay, backing] of sampleOf(copier, pairs, 12, ([, backing]) => backing)) {
      chmodSync(scene.cow, overlay)
      chmodSync(scene.backing, backing)
      const seen: number[] = []
      const look = () => {
        const name = readdirSync(scene.directory).find((one) => one.endsWith('.tmp'))
        if (name !== undefined) seen.push(statSync(path.join(scene.directory, name)).mode & 0o7777)
      }
      const files = hookedFiles(look, { ...localHostFiles, reflink: reflinkThen(look) })
      const done = await merge(scene.cow, scene.target, { copier, noSync: true, files }).catch(
        (error: { code: string }) => error.code,
      )
      const shared = (overlay & backing & 0o644) | 0o600
      const what = `${overlay.toString(8)} over ${backing.toString(8)}`
      if (done === 'COPIER_UNAVAILABLE') {
        expect(copier).toBe('reflink')
        // Only where the backing file lets in more.
        expect(backing & 0o7077 & ~shared, what).not.toBe(0)
        continue
      }
      expect(done, what).toHaveProperty('copier')
      expect(seen.length).toBeGreaterThan(3)
      for (const mode of seen) expect(mode & 0o7077 & ~shared, what).toBe(0)
      expect(statSync(scene.target).mode & 0o7777, what).toBe(shared & ~process.umask())
      expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
      rmSync(scene.target)
    }
  },
)
