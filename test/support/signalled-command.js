// The command, which gets a signal on its way:  node signalled-command.js SIGNAL CALL COUNT ARGUMENT...
// when it makes that call of node:fs for the COUNTth time.
import fs from 'node:fs'

const [signal, call, count, ...args] = process.argv.slice(2)
const real = fs[call]
let calls = 0
fs[call] = (...operands) => {
  if (++calls === Number(count)) process.kill(process.pid, signal)
  return real(...operands)
}
const { main } = await import('../../dist/command/main.js')
process.exitCode = await main([process.argv[0], 'umlcow', ...args])
