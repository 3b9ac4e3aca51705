#!/usr/bin/env node
/** Load the command. Before "npm run build" it does not exist, and Node would print a stack. */
async function loadMain() {
  try {
    return (await import('../dist/command/main.js')).main
  } catch (error) {
    return explainBuild(error)
  }
}

/**
 * Make a command that says how to build this copy.
 *
 * npm makes a package without sources and without `dist` of a clone where nobody ran "npm run build".
 */
async function explainBuild(error) {
  // Imported here: loading these takes longer than all else before the command starts.
  const [{ existsSync }, { fileURLToPath }] = await Promise.all([import('node:fs'), import('node:url')])
  const isHere = (name) => existsSync(new URL(`../${name}`, import.meta.url))
  if (isHere('dist/command/main.js')) throw error
  const top = fileURLToPath(new URL('..', import.meta.url))
  const hint = isHere('src')
    ? 'run "npm ci && npm run build" there'
    : 'run "npm ci && npm run pack" in a clone of umlcow, then install the .tgz file that it makes'
  return () => {
    process.stderr.write(`umlcow: ${top}: this copy is not built\numlcow: ${hint}\n`)
    return 1
  }
}

const main = await loadMain()
process.exitCode = await main(process.argv)
