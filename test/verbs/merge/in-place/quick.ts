import { vi } from 'vitest'

// Imported first by tests that merge tens of thousands of times.

// Who this process is takes half a dozen files of /proc to find out, and does not change.
vi.mock('../../../../src/machine/processes/process-identity.js', async (original) => {
  const real = await original<typeof import('../../../../src/machine/processes/process-identity.js')>()
  const self = real.thisProcess()
  return { ...real, thisProcess: () => self, livenessOf: (other: typeof self) => real.livenessOf(other, self) }
})

// Small images, small windows: less memory to fetch, and an image is still several windows long.
vi.mock('../../../../src/engine/window-size.js', async (original) => {
  const real = await original<typeof import('../../../../src/engine/window-size.js')>()
  return { ...real, defaultWindowSize: 16 * 1024 }
})
