// The command, which waits for its terminal to go:  node stopped-command.js CALL AFTER MARKER ARGUMENT...
// When it makes that call of node:fs for the first time and the file AFTER is there, it makes the file MARKER and goes on
// when descriptor 0 is no terminal any more.
import fs from 'node:fs'
import tty from 'node:tty'

const [call, after, marker, ...args] = process.argv.slice(2)
const real = fs[call]
const nobody = new Int32Array(new SharedArrayBuffer(4))
let isDone = false
fs[call] = (...operands) => {
  if (!isDone && fs.existsSync(after)) {
    isDone = true
    fs.writeFileSync(marker, '')
    while (tty.isatty(0)) Atomics.wait(nobody, 0, 0, 1)
  }
  return real(...operands)
}
const { main } = await import('../../dist/command/main.js')
process.exitCode = await main([process.argv[0], 'umlcow', ...args])
