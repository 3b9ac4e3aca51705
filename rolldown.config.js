// The command as few files instead of the hundred that tsc makes: half of its start-up went into finding and opening
// them.  A verb's code is loaded with it, and what verbs share only by those that do.  The library stays as tsc made it.
import { copyFileSync } from 'node:fs'
import { defineConfig } from 'rolldown'

const moduleIds = { fs: '\0fs.js', unused: '\0unused.cjs' }

// Names stay, for traces of errors; comments go.
const minify = { mangle: false, compress: false, codegen: { removeWhitespace: true } }

const command = defineConfig({
  input: 'dist/cli/main.js',
  platform: 'node',
  // Loaded when a bar is drawn; commander is always.
  external: ['cli-progress'],
  logLevel: 'warn',
  // No module does anything when it is loaded. So an index brings a verb only what that verb uses.
  treeshake: { moduleSideEffects: false },
  output: {
    dir: 'dist/command',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    minify,
  },
  plugins: [
    {
      name: "some of Node's modules in another way",
      resolveId: (source, importer = '') => {
        const isCommanders = importer.includes('/commander/')
        if (source === 'node:child_process' && isCommanders) return moduleIds.unused
        return source === 'node:fs' && !isCommanders ? moduleIds.fs : null
      },
      load: (id) => {
        // To be imported, it would have to name all its exports, and so load its streams: 3 ms.
        if (id === moduleIds.fs) return "export default process.getBuiltinModule('node:fs')"
        // For verbs that are programs of their own. There are none, and loading it takes 3 ms.
        return id === moduleIds.unused ? 'module.exports = {}' : null
      },
    },
    {
      name: 'licence of what is bundled',
      writeBundle: () => copyFileSync('node_modules/commander/LICENSE', 'dist/command/LICENSE.commander'),
    },
  ],
})

/**
 * The worker thread that compresses, as one file with the codec of the package lz4: beside the code that starts it, in
 * the library and in the command. An installed umlcow does not need the package, whose install script compiles.
 */
const worker = (dir) =>
  defineConfig({
    input: 'src/machine/workers/compress-worker.js',
    platform: 'node',
    logLevel: 'warn',
    output: { dir, format: 'esm', entryFileNames: '[name].js', minify },
    plugins: [
      {
        name: 'without the package cuint',
        // The codec loads it and does not use it.
        resolveId: (source) => (source === 'cuint' ? moduleIds.unused : null),
        load: (id) => (id === moduleIds.unused ? 'module.exports = {}' : null),
      },
      {
        name: 'licence of the codec',
        writeBundle: () => copyFileSync('node_modules/lz4/LICENSE', `${dir}/LICENSE.lz4`),
      },
    ],
  })

/** A worker thread with nothing but modules of Node. */
const plainWorker = (dir, name) =>
  defineConfig({
    input: `src/machine/workers/${name}.js`,
    platform: 'node',
    logLevel: 'warn',
    output: { dir, format: 'esm', entryFileNames: '[name].js', minify },
  })

const workerFolders = ['dist/command', 'dist/machine/workers']
export default [
  command,
  ...workerFolders.flatMap((dir) => [
    worker(dir),
    plainWorker(dir, 'digest-worker'),
    plainWorker(dir, 'stream-digest-worker'),
  ]),
]
