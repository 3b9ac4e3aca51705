// The command as few files instead of the hundred that tsc makes: half of its start-up went into finding and opening
// them.  One chunk is for all verbs, and one more for each.  The library stays as tsc made it.
import { copyFileSync } from 'node:fs'
import { defineConfig } from 'rolldown'

export default defineConfig({
  input: 'dist/cli/main.js',
  platform: 'node',
  // Loaded when a bar is drawn; commander is always.
  external: ['cli-progress'],
  logLevel: 'warn',
  output: {
    dir: 'dist/command',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting: {
      groups: [
        { name: 'core', test: /dist\/(bytes|formats\/cow|host|stores|images|engine|verbs\/[\w-]+\.js)/ },
        { name: 'in-place', test: /dist\/verbs\/in-place/ },
      ],
    },
    // Names stay, for traces of errors; comments go.
    minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
  },
  plugins: [
    {
      name: 'licence of what is bundled',
      writeBundle: () => copyFileSync('node_modules/commander/LICENSE', 'dist/command/LICENSE.commander'),
    },
  ],
})
