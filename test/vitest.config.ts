import { defineConfig } from 'vitest/config'

// unit: needs nothing but Node, "npm run check" runs it.  command: runs the built command.  peers: compares with
// Debian's tools and the real kernel, one file after another, for they are slow and share the machine.
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/{bytes,formats,stores,images,host,engine,verbs,humfs,trees}/**/*.test.ts', 'test/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'command',
          include: ['test/cli/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['test/peers/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
        },
      },
    ],
  },
})
