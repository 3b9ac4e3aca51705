import type { CliContext } from '../../src/cli/context.js'

function unused(): never {
  throw new Error('no command runs here')
}

/** For code that describes commands and runs none. */
export const unusedContext: CliContext = {
  signal: new AbortController().signal,
  print: unused,
  printBytes: unused,
  printJson: unused,
  printDone: unused,
  printJsonDone: unused,
  warn: unused,
  statusOf: unused,
}
