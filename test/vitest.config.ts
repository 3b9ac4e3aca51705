import { randomInt } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { defineConfig } from 'vitest/config'

// unit and isolated: need nothing but Node, "npm run check" runs them; those that replace modules need a process of their
// own for each file.  command: runs the built command.  peers: compares with Debian's tools and the real kernel; its files
// share nothing but the process that runs commands, and a guest takes 96 MiB, so that they run beside one another.

// What a run samples depends on its seed: UMLCOW_SEED=N takes the same sample again. Each project reads this file anew.
if (process.env['UMLCOW_SEED'] === undefined) {
  const seed = randomInt(2 ** 31)
  process.env['UMLCOW_SEED'] = String(seed)
  console.log(`the seed of this run: UMLCOW_SEED=${seed}`)
}
const given = process.env['UMLCOW_SEED']
if (!/^\d{1,10}$/.test(given) || Number(given) >= 2 ** 32) {
  throw new Error(`UMLCOW_SEED=${given}: not a whole number from 0 to ${2 ** 32 - 1}`)
}

// Against tests that hang, and for no other reason: the slowest machine has time enough.
const testTimeout = process.env['UMLCOW_TEST'] === 'deep' ? 7_200_000 : 600_000

// To touch memory for the first time costs more than most tests: workers get it in large pages. Only the C library of GNU
// reads this, when a process starts; test/support/seed.ts keeps it from the programs that tests start.
process.env['GLIBC_TUNABLES'] ??= 'glibc.malloc.hugetlb=1'

/** Where a sync takes no time; none when there is no such place with 4 GiB of room, or TMPDIR says where to be. */
function memoryForFiles(): Record<string, string> {
  const [memory, tmpfs] = ['/dev/shm', 0x01021994]
  try {
    const { type, bavail, bsize } = statfsSync(memory)
    const isGood = process.env['TMPDIR'] === undefined && type === tmpfs && bavail * bsize >= 4 * 2 ** 30
    return isGood ? { TMPDIR: memory, UMLCOW_TEST_DISK: tmpdir() } : {}
  } catch {
    return {}
  }
}

/** Tests with `vi.mock`, or that load a module again. */
const replacesModules = [
  'test/bytes/fast.test.ts',
  'test/verbs/merge/in-place/**/*.test.ts',
  'test/machine/programs/copy-helpers.test.ts',
]

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    setupFiles: ['test/support/seed.ts'],
    testTimeout,
    hookTimeout: testTimeout,
    // More than processors: many wait for a command, or for the clock to go on.
    maxWorkers: Math.max(4, availableParallelism()),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'test/{bytes,formats,stores,images,filesystems,engine,machine,overlays,verbs,humfs,trees}/**/*.test.ts',
            'test/*.test.ts',
          ],
          exclude: replacesModules,
          isolate: false,
          setupFiles: ['test/support/seed.ts', 'test/support/no-attributes.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'isolated', include: replacesModules },
      },
      {
        extends: true,
        test: {
          name: 'command',
          include: ['test/cli/**/*.test.ts'],
          isolate: false,
          env: memoryForFiles(),
          globalSetup: ['test/support/build.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['test/peers/**/*.test.ts'],
          isolate: false,
          globalSetup: ['test/support/build.ts'],
        },
      },
    ],
  },
})
